"""Looks up what a memory holds besides its place: vector natively, texts in the queue or the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import _native
from ._breath import breathe
from ._clock import Clock
from ._errors import CorruptionError
from .catalog import Catalog, Row
from .memories import Memory, decode_metadata

_AT_ONCE = 256  # rows: a millisecond


class Lookups:
    """Memories by id, and rows by key; from any thread."""

    def __init__(self, native: _native.Store, catalog: Catalog, path: Path | None, clock: Clock) -> None:
        self._native = native
        self._catalog = catalog
        self._path = path
        self._clock = clock

    def get(self, id: str) -> Memory | None:
        """The current version of a memory; vector and texts are of the same one."""
        now = self._clock.now()
        while (found := self._native.get(id, now)) is not None:
            key, vector = found
            row = self.rows_of([id], [key]).get(key)
            if row is not None:
                return Memory(
                    id, vector, row.content, decode_metadata(row.metadata), row.confidence, row.created_at
                )
            # Replaced between the two looks: look again.
        return None

    def rows_of(self, ids: Sequence[str], keys: Sequence[int]) -> dict[int, Row]:
        """What is kept for these versions, by key; those replaced or forgotten since are missing."""
        rows = self._some_rows_of(ids[:_AT_ONCE], keys[:_AT_ONCE])
        for at in range(_AT_ONCE, len(ids), _AT_ONCE):
            breathe()
            rows |= self._some_rows_of(ids[at : at + _AT_ONCE], keys[at : at + _AT_ONCE])
        return rows

    def _some_rows_of(self, ids: Sequence[str], keys: Sequence[int]) -> dict[int, Row]:
        rows: dict[int, Row] = {}
        for id, key in zip(ids, keys, strict=True):
            pending = self._native.payload(id, key)
            if pending is not None:
                rows[key] = Row(id, *pending)
        # What is no longer pending was committed before it left the queue.
        rows.update(self._catalog.read([key for key in keys if key not in rows]))
        for id, key in zip(ids, keys, strict=True):
            if self._native.key(id) != key:
                rows.pop(key, None)  # the catalog may not know of what replaced it yet
            elif key not in rows or rows[key].id != id:
                raise CorruptionError(
                    f"the catalog of {self._path or 'the store in RAM'} has lost the memory {id!r}; "
                    "run `engram repair` to keep the rest",
                    str(self._path or ""),
                )
        return rows
