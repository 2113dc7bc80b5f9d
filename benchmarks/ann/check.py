"""Judging a run, for CI: does Engram reach the recall, and is it fast enough beside the others?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NEEDED = "0.90"


class BadRatioError(ValueError):
    """A ratio on the command line that cannot be read."""


@dataclass(frozen=True)
class Ratio:
    """Engram must answer ``least`` times as many queries a second as ``engine`` at recall ``target``."""

    engine: str
    least: float
    target: str = "0.95"


def parse_ratio(text: str) -> Ratio:
    """Read "faiss-hnsw=1.5" or "faiss-hnsw@0.99=1.5"."""
    name, separator, number = text.partition("=")
    engine, _, target = name.partition("@")
    target = target or "0.95"
    try:
        least = float(number)
    except ValueError:
        least = -1.0
    if not separator or not engine or not 0 < least < math.inf or target not in ("0.90", "0.95", "0.99"):
        raise BadRatioError(f"{text!r} is not a ratio: write ENGINE=NUMBER or ENGINE@0.90|0.95|0.99=NUMBER")
    return Ratio(engine, least, target)


def failures(content: dict[str, Any], ratios: Sequence[Ratio], judged: str = "engram") -> list[str]:
    """What is wrong with the run, one sentence each; nothing when all is well.

    An engine that is needed for a ratio but was not measured is a failure: a check that could not be made has
    not been passed.
    """
    engines = {one["engine"]: one for one in content["engines"]}
    own = engines.get(judged)
    if own is None or own.get("missing"):
        why = "it is not in this run" if own is None else own["missing"]
        return [f"{judged} was not measured: {why}"]
    found = []
    if own["at_recall"][NEEDED] is None:
        most = max((point["recall_10"] for point in own["points"]), default=0.0)
        found.append(f"{judged} misses recall@10 = {NEEDED}: its best is {most:.4f}")
    for ratio in ratios:
        found += _ratio_failure(engines, own, ratio, judged)
    return found


def _ratio_failure(engines: dict[str, Any], own: dict[str, Any], ratio: Ratio, judged: str) -> list[str]:
    other = engines.get(ratio.engine)
    if other is None or other.get("missing"):
        why = "it is not in this run" if other is None else other["missing"]
        return [f"the ratio to {ratio.engine} cannot be checked: {why}"]
    its, ours = other["at_recall"][ratio.target], own["at_recall"][ratio.target]
    if its is None:
        return []  # a rival that never gets there cannot be faster there
    if ours is None:
        return [f"{judged} never reaches recall@10 = {ratio.target}, {ratio.engine} does"]
    measured = ours["qps"] / its["qps"]
    if measured < ratio.least:
        return [
            f"{judged} answers {ours['qps']:,.0f} queries a second at recall@10 = {ratio.target}, "
            f"{measured:.2f} times {ratio.engine}'s {its['qps']:,.0f}; {ratio.least:g} times are asked for"
        ]
    return []
