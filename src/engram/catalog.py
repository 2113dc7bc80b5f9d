"""What the catalog keeps for each memory besides its vector, and the catalogs that live in RAM.

A row belongs to a key, that is to one version of a memory, and never changes; a version that was replaced or
forgotten has no row. A catalog at the LSN ``applied`` holds exactly the rows of the store as the log below
that LSN makes it, so that replaying the log from there, or from anywhere below, gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

CatalogRow = tuple[int, str, "str | None", "str | None", float, float]  # key, then the fields of Row


class Row(NamedTuple):
    """A memory's id, content, metadata as JSON text, confidence and created_at."""

    id: str
    content: str | None
    metadata: str | None
    confidence: float
    created_at: float


class Catalog(Protocol):
    """Rows by key. `apply` from one thread at a time, everything else from any."""

    @property
    def applied(self) -> int:
        """Everything below this LSN is in the catalog."""

    def apply(self, rows: Iterable[CatalogRow], retired: Sequence[int], through: int) -> None:
        """Adds rows, drops retired keys and moves `applied`, all at once; nothing if it is there already."""

    def key_pieces(self) -> Iterator[list[int]]:
        """The keys of all rows, ascending, in pieces; rows that come or go meanwhile may be among them."""

    def drop(self, keys: Sequence[int]) -> None:
        """Drops rows that belong to no memory; `applied` stays."""

    def sync(self) -> None:
        """Waits until all that was applied is on stable storage."""

    def read(self, keys: Sequence[int]) -> dict[int, Row]:
        """The rows of those keys that have one, their checksums checked."""

    def verify(self) -> int:
        """Checks the whole of it; how many rows there are."""

    def close(self) -> None:
        """Ends it; safe to call again."""

    def abandon(self) -> None:
        """Lets go in a forked child, without touching what the parent uses."""


class RamCatalog:
    """A catalog of a store without a folder."""

    def __init__(self, applied: int = 0) -> None:
        self._rows: dict[int, Row] = {}
        self._applied = applied

    @property
    def applied(self) -> int:
        return self._applied

    def apply(self, rows: Iterable[CatalogRow], retired: Sequence[int], through: int) -> None:
        if through <= self._applied:
            return
        self._rows.update((row[0], Row(*row[1:])) for row in rows if row[0] >= self._applied)
        for key in retired:
            self._rows.pop(key, None)
        self._applied = through

    def key_pieces(self) -> Iterator[list[int]]:
        yield sorted(self._rows)

    def drop(self, keys: Sequence[int]) -> None:
        for key in keys:
            self._rows.pop(key, None)

    def sync(self) -> None:
        pass

    def read(self, keys: Sequence[int]) -> dict[int, Row]:
        return {key: row for key in keys if (row := self._rows.get(key)) is not None}

    def verify(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        self._rows = {}

    def abandon(self) -> None:
        pass


class LayeredCatalog:
    """What a read-only store sees: the catalog in the folder, and above it in RAM what only the log has."""

    def __init__(self, below: Catalog) -> None:
        self._below = below
        self._above = RamCatalog(below.applied)
        self._retired: set[int] = set()

    @property
    def applied(self) -> int:
        return self._above.applied

    def apply(self, rows: Iterable[CatalogRow], retired: Sequence[int], through: int) -> None:
        if through > self._above.applied:
            self._retired.update(retired)
            self._above.apply(rows, retired, through)

    def key_pieces(self) -> Iterator[list[int]]:
        for piece in self._below.key_pieces():
            yield [key for key in piece if key not in self._retired]
        yield from self._above.key_pieces()

    def drop(self, keys: Sequence[int]) -> None:
        self._retired.update(keys)
        self._above.drop(keys)

    def sync(self) -> None:
        pass

    def read(self, keys: Sequence[int]) -> dict[int, Row]:
        found = self._above.read(keys)
        rest = [key for key in keys if key not in found and key not in self._retired]
        return {**found, **self._below.read(rest)} if rest else found

    def verify(self) -> int:
        dropped = sum(len(self._below.read([key])) for key in self._retired)
        return self._below.verify() - dropped + self._above.verify()

    def close(self) -> None:
        self._above.close()
        self._below.close()

    def abandon(self) -> None:
        self._below.abandon()
