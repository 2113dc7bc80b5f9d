"""Reads what can be read of the segments of a damaged store's warm and cold tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import _native
from ._errors import CorruptionError, EngramError, UnsupportedFormat
from .catalog_salvage import SalvagedCatalog


class SegmentRow(NamedTuple):
    """A memory that lies in a segment and can be read."""

    segment: _native.SalvagedSegment
    row: int
    key: int
    id: str
    confidence: float


class SalvagedTiers:
    """The rows of all segments that may be current, each whole.

    Attributes
    ----------
    rows : in no order; of one key there may be several, all alike
    kind : the dimension and metric of the first segment that can be read
    """

    def __init__(self, folder: Path, catalog: SalvagedCatalog, damage: list[str]) -> None:
        self._folder = folder
        self._catalog = catalog
        self._damage = damage
        self.kind: tuple[int, str] | None = None
        self.rows: list[SegmentRow] = []
        segments, dead_file = self._files()
        dead = self._dead_rows(dead_file)
        for number, file in segments:
            self.rows.extend(self._read(file, dead.get(number, b"")))

    def _files(self) -> tuple[list[tuple[int, Path]], Path | None]:
        """The segments by number, and the file of their dead rows, as the manifest names them or else all."""
        try:
            segments, dead = _native.tier_files(self._folder)
            return [(n, self._folder / name) for n, name in segments], self._folder / dead if dead else None
        except CorruptionError:  # said already: the manifest
            found = [
                (each, re.fullmatch(r"seg-(\d+)\.(warm|cold)", each.name)) for each in self._folder.iterdir()
            ]
            return sorted((int(name[1]), file) for file, name in found if name), None

    def _dead_rows(self, file: Path | None) -> dict[int, bytes]:
        if file is None:
            return {}
        try:
            return _native.salvage_dead(file)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            self._damage.append(str(error))
            return {}

    def _read(self, file: Path, dead: bytes) -> Iterator[SegmentRow]:
        try:
            segment = _native.SalvagedSegment(file)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            self._damage.append(str(error) if file.exists() else f"the segment {file} is missing")
            return
        self.kind = self.kind or (segment.dim, segment.metric)
        readable = segment.rows()
        if len(readable) < len(segment):
            self._damage.append(
                f"{len(segment) - len(readable)} of {len(segment)} rows of {file} cannot be read"
            )
        for row, key, id, confidence in readable:
            if self._may_be_current(key, _bit(dead, row)):
                yield SegmentRow(segment, row, key, id, confidence)

    def _may_be_current(self, key: int, dead: bool) -> bool:
        """Whether that version was current when it was last written down."""
        if self._catalog.whole and key < self._catalog.applied:
            return key in self._catalog.keys
        return not dead


def _bit(bits: bytes, at: int) -> bool:
    return at // 8 < len(bits) and bool(bits[at // 8] >> (at % 8) & 1)
