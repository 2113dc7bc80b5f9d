"""Reads what can be read of the segments of a damaged store's warm and cold tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import _native
from ._errors import CorruptionError, EngramError, UnsupportedFormat


class SegmentRow(NamedTuple):
    """A memory that lies in a segment and can be read."""

    segment: _native.SalvagedSegment
    row: int
    key: int
    id: str
    confidence: float
    dead: bool  # replaced, forgotten or moved, as the file of dead rows has it


class SalvagedTiers:
    """The rows of all segments, each whole.

    Attributes
    ----------
    rows : in no order; of one key there may be several, all alike
    kind : the dimension and metric of the first segment that can be read
    whole : no row is missing, and which are dead is known
    """

    def __init__(self, folder: Path, damage: list[str]) -> None:
        self._folder = folder
        self._damage = damage
        self.kind: tuple[int, str] | None = None
        self.whole = True
        self.rows: list[SegmentRow] = []
        segments, dead_file = self._files()
        dead = self._dead_rows(dead_file)
        for number, file in segments:
            self.rows.extend(self._read(file, dead.get(number, b"")))

    def _files(self) -> tuple[list[tuple[int, Path]], Path | None]:
        """The segments by number, and the file of their dead rows, as the manifest names them or else all."""
        try:
            if (self._folder / "manifest").exists():
                segments, dead = _native.tier_files(self._folder)
                return [
                    (n, self._folder / name) for n, name in segments
                ], self._folder / dead if dead else None
        except CorruptionError:
            pass  # said already: the manifest
        names = [
            (each, re.fullmatch(r"seg-(\d+)\.(warm|cold)", each.name)) for each in self._folder.iterdir()
        ]
        found = sorted((int(name[1]), file) for file, name in names if name)
        self.whole = not found
        return found, None

    def _dead_rows(self, file: Path | None) -> dict[int, bytes]:
        if file is None:
            return {}
        try:
            return _native.salvage_dead(file)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            self._damage.append(str(error))
            self.whole = False
            return {}

    def _read(self, file: Path, dead: bytes) -> Iterator[SegmentRow]:
        try:
            segment = _native.SalvagedSegment(file)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            self._damage.append(str(error) if file.exists() else f"the segment {file} is missing")
            self.whole = False
            return
        self.kind = self.kind or (segment.dim, segment.metric)
        readable = segment.rows()
        if len(readable) < len(segment):
            self.whole = False
            self._damage.append(
                f"{len(segment) - len(readable)} of {len(segment)} rows of {file} cannot be read"
            )
        for row, key, id, confidence in readable:
            yield SegmentRow(segment, row, key, id, confidence, _bit(dead, row))


def _bit(bits: bytes, at: int) -> bool:
    return at // 8 < len(bits) and bool(bits[at // 8] >> (at % 8) & 1)
