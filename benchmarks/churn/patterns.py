"""In which order vectors go and come: three ways to replace everything an index holds.

A turnover takes every row out that is in and puts as many new ones in, each row once in its life, so that
recall can always be told against the exact answer over what is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]

PATTERNS = ("window", "clustered", "random")
_SEED = 20_260_202


@dataclass(frozen=True)
class Turnover:
    """Rows that go, in this order, and rows that come, as many."""

    leave: Rows
    enter: Rows


def turnovers(pattern: str, base: Matrix, live: int, count: int) -> Iterator[Turnover]:
    """``count`` turnovers of an index that holds the first ``live`` rows of the base.

    Parameters
    ----------
    pattern : "window": the oldest go first; "clustered": whole neighbourhoods go at once, one after the
        other; "random": any
    base : at least ``live * (count + 1)`` rows
    """
    if len(base) < live * (count + 1):
        raise ValueError(
            f"{count} turnovers of {live} vectors take {live * (count + 1)}, and there are {len(base)}: "
            "lower --live or --turnovers"
        )
    random = np.random.default_rng(_SEED)
    for number in range(count):
        inside = np.arange(number * live, (number + 1) * live, dtype=np.int64)
        yield Turnover(_order(pattern, base, inside, random), inside + live)


def _order(pattern: str, base: Matrix, inside: Rows, random: np.random.Generator) -> Rows:
    if pattern == "window":
        return inside
    if pattern == "random":
        return random.permutation(inside)
    if pattern == "clustered":
        nearest = _nearest_of(
            base[random.choice(inside, max(2, int(len(inside) ** 0.5)), replace=False)], base, inside
        )
        return inside[np.argsort(nearest, kind="stable")]
    raise ValueError(f"the pattern {pattern!r} is none of {', '.join(PATTERNS)}")


def _nearest_of(centres: Matrix, base: Matrix, rows: Rows) -> NDArray[np.int64]:
    """For each row the number of the centre it is nearest to."""
    lengths = np.einsum("ij,ij->i", centres, centres)
    nearest: NDArray[np.int64] = np.argmin(0.5 * lengths - base[rows] @ centres.T, axis=1)
    return nearest
