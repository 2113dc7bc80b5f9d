"""The cost of the other small parts: checksums, the ring, the log, reading a page."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.common.paths import cache_folder
from benchmarks.common.sheet import Sheet
from benchmarks.native.timing import Row, seconds_each

_PAGE = 4096
_PAGES = 65_536


def parts(module: ModuleType) -> list[Row]:
    """One row a part and size."""
    random = np.random.default_rng(1)
    rows: list[Row] = []
    for size in (64, 4096, 65_536):
        content = random.integers(0, 256, size, dtype=np.uint8)
        calls = (64 << 20) // size
        rows.append(_row("CRC-32C, cached", size, calls, partial(module.checksums, content, calls)))
    for size in (128, 640, 4096):
        content = random.integers(0, 256, size, dtype=np.uint8)
        rows.append(_row("ring append", size, 200_000, partial(module.ring_appends, content, 200_000)))
    with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
        rows += [*_log_appends(module, Path(scratch)), _page_reads(module, Path(scratch))]
    return rows


def _log_appends(module: ModuleType, scratch: Path) -> list[Row]:
    """Into a new log each time, since an old one would be recovered first."""
    content = np.random.default_rng(2).integers(0, 256, 640, dtype=np.uint8)
    fresh = itertools.count()

    def run(synced: bool, calls: int) -> float:
        return float(module.log_appends(str(scratch / f"log{next(fresh)}"), synced, content, calls))

    return [
        _row("log append, written", 640, 20_000, partial(run, False, 20_000)),
        _row("log append, synced", 640, 300, partial(run, True, 300)),
    ]


def _page_reads(module: ModuleType, scratch: Path) -> Row:
    random = np.random.default_rng(3)
    file = scratch / "pages"
    random.integers(0, 256, _PAGES * _PAGE, dtype=np.uint8).tofile(file)
    pages = random.integers(0, _PAGES, 50_000)
    return _row(
        "page read, in the page cache", _PAGE, len(pages), partial(module.page_reads, str(file), pages)
    )


def _row(part: str, size: int, calls: int, run: Callable[[], float]) -> Row:
    one = seconds_each(run, calls)
    return {"part": part, "bytes": size, "ns": one * 1e9, "gb_s": size / one / 1e9}


def part_sheet(rows: list[Row]) -> Sheet:
    sheet = Sheet("other parts", ["part", "bytes", "ns", "GB/s"])
    for row in rows:
        sheet.rows.append([row["part"], f"{row['bytes']:,}", f"{row['ns']:,.1f}", f"{row['gb_s']:.2f}"])
    return sheet
