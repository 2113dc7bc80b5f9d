"""Waiting for what goes on behind the callers, in slices: Ctrl-C and other trouble are seen meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from ._errors import EngramError, OutOfSpace
from ._parts import Parts

_SLICE = 0.1  # seconds


def slices(timeout: float | None, most: float = _SLICE) -> Iterator[float]:
    """Seconds to wait for at once, again and again until `timeout` seconds have passed (None: for ever)."""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    left = math.inf
    while left > 0:
        left = deadline - time.monotonic()
        yield max(0.0, min(most, left))


class Waits:
    """Until a record, named by its LSN (below 0: none), is durable or indexed; from any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._native = parts.native
        self._indexer = parts.indexer

    def durable(self, lsn: int, timeout: float | None) -> bool:
        """Syncs the log where the mode would not; False when `timeout` passed before."""
        return lsn < 0 or any(self._native.wait_durable(lsn, seconds) for seconds in slices(timeout))

    def indexed(self, lsn: int, timeout: float | None) -> bool:
        """False when `timeout` passed before; an EngramError when that fails or waits for this thread."""
        self._parts.refuse_inside()
        if lsn < 0:
            return True
        for seconds in slices(timeout):
            indexed = self._native.wait_indexed(lsn, seconds)
            self._indexer.revive()
            trouble = self._indexer.trouble() or self._indexer.set_aside()
            if trouble is not None:
                full = isinstance(self._indexer.last_error, OutOfSpace)
                raise (OutOfSpace if full else EngramError)(
                    f"{trouble}; nothing is lost: it stays in the log, is recalled, and is tried again"
                )
            if indexed:
                return True
        return False

    def drained(self) -> None:
        """Until all stored so far is indexed, or that fails."""
        last = self._native.visible_lsn - 1
        if not self._indexer.alive:
            self._indexer.index_through(last)
            return
        for seconds in slices(None):
            self._indexer.revive()
            if last < 0 or self._indexer.trouble() is not None or self._native.wait_indexed(last, seconds):
                return
