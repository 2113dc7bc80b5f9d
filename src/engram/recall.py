"""What a recall brings back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from . import _native
from .catalog import Row
from .memories import Value, decode_metadata


@dataclass(frozen=True)
class TierReport:
    """What one tier did in a recall.

    Attributes
    ----------
    searched : memories whose distance it took into account
    found : how many of them it offered
    elapsed_us : microseconds it took
    truncated : whether a deadline cut it short
    unnamed : hits that were left out, because the page of the file that holds their id is damaged
    """

    searched: int
    found: int
    elapsed_us: float
    truncated: bool
    unnamed: int = 0


class Rows(Protocol):
    """Who can say what text belongs to a version of a memory."""

    def rows_of(self, ids: Sequence[str], keys: Sequence[int]) -> dict[int, Row]: ...


class Hit:
    """One recalled memory; content and metadata are read when first asked for, for the whole recall."""

    __slots__ = ("_at", "_recall")

    def __init__(self, recall: Recall, at: int) -> None:
        self._recall = recall
        self._at = at

    @property
    def id(self) -> str:
        return self._recall.ids[self._at]

    @property
    def distance(self) -> float:
        """Smaller is nearer, by the metric of the store."""
        return self._recall.distances[self._at]

    @property
    def confidence(self) -> float:
        return self._recall.confidences[self._at]

    @property
    def tier(self) -> str:
        return self._recall.tier_names[self._at]

    @property
    def content(self) -> str | None:
        """The text of the version that was found; None if it has none, or was replaced or forgotten since."""
        row = self._recall.row(self._at)
        return None if row is None else row.content

    @property
    def metadata(self) -> dict[str, Value]:
        """The metadata of the version found; empty if it has none, or was replaced or forgotten since."""
        row = self._recall.row(self._at)
        return {} if row is None else decode_metadata(row.metadata)

    def __eq__(self, other: object) -> bool:
        """The same place of the same recall."""
        if not isinstance(other, Hit):
            return NotImplemented
        return self._recall is other._recall and self._at == other._at

    def __hash__(self) -> int:
        return hash((id(self._recall), self._at))

    def __repr__(self) -> str:
        return (
            f"Hit(id={self.id!r}, distance={self.distance:.6g}, tier={self.tier!r}, "
            f"confidence={self.confidence:.3g})"
        )


class Recall(Sequence[Hit]):
    """The hits of one recall, nearest first.

    Attributes
    ----------
    ids, distances, confidences, tier_names : the same hits as parallel lists, for those who want no objects
    """

    __slots__ = ("_found", "_rows", "_source", "confidences", "distances", "ids", "tier_names")

    def __init__(self, found: _native.Found, source: Rows) -> None:
        self._found = found
        self._source = source
        self._rows: dict[int, Row] | None = None
        self.ids: list[str] = found.ids
        self.distances: list[float] = found.distances
        self.confidences: list[float] = found.confidences
        self.tier_names: list[str] = found.tiers

    @property
    def complete(self) -> bool:
        """False if a deadline cut it short, or a damaged page left hits without their ids (see `tiers`)."""
        return self._found.complete

    @property
    def tiers(self) -> dict[str, TierReport]:
        """What each tier did."""
        return {tier: TierReport(*report) for tier, report in self._found.searched.items()}

    def row(self, at: int) -> Row | None:
        """What the catalog says of the hit at a position."""
        keys = self._found.keys
        if self._rows is None:
            self._rows = self._source.rows_of(self.ids, keys)
        return self._rows.get(keys[at])

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> list[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | list[Hit]:
        places = range(len(self.ids))[at]
        return Hit(self, places) if isinstance(places, int) else [Hit(self, place) for place in places]

    def __iter__(self) -> Iterator[Hit]:
        return (Hit(self, at) for at in range(len(self.ids)))

    def __repr__(self) -> str:
        return f"Recall({list(self)!r}, complete={self.complete})"
