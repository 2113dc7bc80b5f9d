"""Writes the results of the last runs into docs/benchmarks.md: ``python -m benchmarks.publish``.

The page has a place for each part, between ``<!-- NAME -->`` and ``<!-- end NAME -->``; what stands between
is replaced by the tables of results/NAME.json, and the plots are copied beside the page. Parts without a
result stay as they are.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ann import report as ann
from benchmarks.churn import report as churn
from benchmarks.common.paths import results_folder
from benchmarks.common.sheet import Sheet, missing_of
from benchmarks.durable import report as durable
from benchmarks.filter import report as filtered
from benchmarks.log import cli as log
from benchmarks.native import cli as native
from benchmarks.queue import report as queue
from benchmarks.tiers import report as tiers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
_SHEETS: dict[str, Callable[[dict[str, Any]], list[Sheet]]] = {
    "ann": ann.sheets,
    "churn": churn.sheets,
    "durable": durable.sheets,
    "filter": filtered.sheets,
    "log": log.sheets,
    "queue": queue.sheets,
    "native": native.sheets,
    "tiers": tiers.sheets,
}


def part(name: str, content: dict[str, Any], plot: Path | None) -> str:
    """The Markdown of one part."""
    kind = name.partition("-")[0]
    blocks = [sheet.markdown() for sheet in _SHEETS[kind](content)]
    if "dataset" in content and "queries" in content["dataset"]:
        blocks.insert(0, ann.summary(content) + "\n")
    if plot is not None:
        blocks.insert(1, f"![recall and queries per second](images/{plot.name})\n")
    if absent := missing_of(content):
        blocks.append("Missing: " + "; ".join(absent) + ".\n")
    return "\n".join(blocks)


def fill(page: str, name: str, text: str) -> str:
    """The page with ``text`` in the place called ``name``."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
    if begin not in page or end not in page:
        raise ValueError(f"the page has no place for {name}: it needs the lines {begin.strip()} and {end}")
    before, _, rest = page.partition(begin)
    return before + begin + text + end + rest.partition(end)[2]


def repeated(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Two runs of one comparison, side by side."""
    return ann.comparison(first, second, "faiss-hnsw").markdown()


def main() -> int:
    page = PAGE.read_text()
    for file in sorted(results_folder().glob("*.json")):
        name = file.stem
        if f"<!-- {name} -->" not in page:
            continue
        content = json.loads(file.read_text())
        plot = file.with_suffix(".png") if file.with_suffix(".png").exists() else None
        if plot is not None:
            (PAGE.parent / "images").mkdir(exist_ok=True)
            shutil.copy(plot, PAGE.parent / "images")
        page = fill(page, name, part(name, content, plot))
        again = file.with_name(f"{name}-again.json")
        if again.exists() and f"<!-- {name}-again -->" in page:
            page = fill(page, f"{name}-again", repeated(content, json.loads(again.read_text())))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
