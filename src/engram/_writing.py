"""Puts memories into the native store: waits for room in its queue, and indexes where the caller must."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

from ._clock import Clock
from ._errors import DurabilityError, QueueFull
from ._events import tell
from ._inside import INSIDE
from ._parts import Fsync, Parts
from ._rows import Rows
from ._vectors import Vector
from ._waiting import slices
from .config import Config

# How long a call keeps its place in the line for room. An indexer that fails or dies ends that at once, but
# for calls that join the line in that very moment.
_PLACE_SECONDS = 5.0
_LOOK_SECONDS = 0.01  # where nobody else makes room

T = TypeVar("T")
Progress = Callable[[int, int], object]


class Writer:
    """One memory or many, checked before, into the store; from any thread."""

    def __init__(self, parts: Parts, config: Config, clock: Clock) -> None:
        self._parts = parts
        self._native = parts.native
        self._indexer = parts.indexer
        self._config = config
        self._sync = config.indexing == "sync"
        self._clock = clock
        self._failure_told = False

    def put(
        self,
        id: str,
        vector: Vector,
        content: str | None,
        metadata: str | None,
        confidence: float,
        *,
        fsync: Fsync | None = None,
        timeout: float | None = None,
        created_at: float | None = None,
    ) -> int:
        """Stores one memory, at `created_at` if it was made before; its LSN."""
        at = self._clock.now() if created_at is None else created_at
        put = functools.partial(self._native.put, id, vector, content, metadata, confidence, at, fsync)
        lsn = self._with_room(put, timeout)
        self.index(lsn)
        return lsn

    def put_all(
        self, rows: Rows, fsync: Fsync | None, progress: Progress | None, stored: list[tuple[int, int]]
    ) -> None:
        """Stores all rows in pieces, and adds the LSN and the rows of each to `stored` as it is done."""
        texts, created_at = rows.texts, self._clock.now()
        done = 0
        while done < len(rows):
            put = functools.partial(
                self._native.put_chunk,
                done,
                texts.ids,
                rows.vectors,
                texts.contents,
                texts.metadata,
                created_at,
                fsync,
            )
            self._with_room(functools.partial(_append_result, stored, put), None)
            lsn, count = stored[-1]
            done += count
            self.index(lsn)
            if progress is not None:
                progress(done, len(rows))

    def forget(self, id: str, fsync: Fsync | None, timeout: float | None) -> int | None:
        """Forgets the memory of `id`; the LSN of that, or None if there is none."""
        lsn = self._with_room(functools.partial(self._native.forget, id, fsync), timeout)
        if lsn is not None:
            self.index(lsn)
        return lsn

    def index(self, lsn: int) -> None:
        """Where the caller indexes: everything up to the record at `lsn`."""
        if self._sync:
            self._indexer.index_through(lsn)

    def _with_room(self, put: Callable[[float], T], timeout: float | None) -> T:
        """Calls put(seconds to wait for room) until there is room."""
        if self._indexer.died:
            self._indexer.revive()
        trouble = self._indexer.trouble()
        for seconds in slices(timeout, _LOOK_SECONDS if self._sync or trouble else _PLACE_SECONDS):
            try:
                return put(seconds)
            except DurabilityError as error:
                self._tell_of(error)
                raise
            except QueueFull:
                if self._parts.is_inside:
                    trouble = INSIDE
                    break
                self._indexer.revive()
                if self._sync:
                    self._indexer.make_room()
                trouble = self._indexer.trouble()
                if trouble is not None:
                    break
        queue = self._native.stats()["queue"]
        raise QueueFull(
            f"{queue['memories']:.0f} memories of {queue['bytes']:.0f} bytes wait for the index, and "
            f"queue_capacity {queue['capacity']:.0f} and queue_bytes {queue['capacity_bytes']:.0f} leave no "
            "room for more: "
            + (
                trouble
                or f"waited {timeout} s; store more slowly, or give a longer timeout or a larger queue"
            )
        ) from self._indexer.last_error

    def _tell_of(self, error: DurabilityError) -> None:
        """Once a store, however many callers learn it."""
        if not self._failure_told:
            self._failure_told = True
            tell(logging.ERROR, "log.failed", f"nothing more can be stored: {error}", error=error)


def _append_result(results: list[T], call: Callable[[float], T], argument: float) -> None:
    # One call, within which no signal is handled: Ctrl-C cannot come between a write and its being counted.
    results.extend(map(call, (argument,)))
