"""Progress on standard error, for whatever takes more than a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Go through ``items`` and show how far one is, where somebody is looking."""
    if not sys.stderr.isatty() or len(items) < 2:
        yield from items
        return
    for done, item in enumerate(items, 1):
        yield item
        bar = "#" * (30 * done // len(items))
        end = "\n" if done == len(items) else ""
        print(f"\r{what} [{bar:<30}] {done}/{len(items)}", end=end, file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
