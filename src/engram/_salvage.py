"""Finds what can be read of a damaged store: which version of which id, and what is known to be gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from . import _native
from ._errors import CorruptionError, DimensionMismatch, EngramError, InvalidInput, UnsupportedFormat
from ._repair_report import RepairReport, Stretch
from ._salvaged_tiers import SalvagedTiers, SegmentRow
from .catalog import Row
from .catalog_open import FILE_NAME
from .catalog_salvage import SalvagedCatalog

_FIRST_LSN = 8
_AT_ONCE = 1024
_LOST = Row("", None, None, 1.0, 0.0)


@dataclass(frozen=True)
class Piece:
    """A memory that is kept."""

    id: str
    vector: Any
    content: str | None
    metadata: str | None
    confidence: float
    created_at: float


class Vectors(Protocol):
    """Where vectors lie, by number."""

    def vector(self, at: int, /) -> Any: ...


class Stored(NamedTuple):
    """A memory in the checkpoint or in a segment."""

    source: Vectors
    at: int
    id: str
    confidence: float


@dataclass
class Checkpoint:
    """What could be read of the live checkpoint; graph None: nothing that keeps a memory."""

    graph: _native.SalvagedGraph | None = None
    rows: list[tuple[int, str, float]] | None = None  # (slot, id, confidence)
    lsn: int = 0  # everything below is in it; 0: unknown

    @property
    def whole(self) -> bool:
        """Every memory of it can be read."""
        if self.graph is None or self.rows is None:
            return False
        born = self.graph.slots()
        return all(slot in born for slot, _, _ in self.rows)


class Salvage:
    """One look at a damaged store under its lock: first which memories are kept, then the memories."""

    def __init__(self, folder: Path, dim: int | None, metric: str | None, scratch: Path) -> None:
        self.report = RepairReport(damaged=True)
        self._folder = folder
        self._catalog = SalvagedCatalog(folder / FILE_NAME, scratch)
        try:
            self._manifest = self._read_manifest()
            self._checkpoint = self._find_checkpoint()
            self._tiers = SalvagedTiers(folder, self.report.damage)
            self.dim, self.metric = self._kind(dim, metric)
            self._lsn = self._checkpoint_lsn()
            # Whether the catalog, or else the checkpoint and the segments, tell all that was current then.
            self._catalog_knows = self._catalog.whole and self._catalog.applied >= self._lsn
            self._tiers_know = self._tiers.whole and self._checkpoint.whole
            self._memories = self._in_checkpoint()
            self._memories.update(self._in_segments())
            self._base = self._base_lsn()
            # id: the key that is kept
            self._versions = {self._memories[key].id: key for key in sorted(self._memories)}
            self._forgotten: dict[str, int] = {}
            self._texts: dict[int, Row] = {}  # of the checkpoint's memories that the catalog has lost
            self._seen: set[int] = set()
            self._read_log()
            self._fill_report()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._catalog.close()

    @property
    def ids(self) -> set[str]:
        return set(self._versions)

    def in_tiers(self) -> Iterator[Piece]:
        """The kept memories that the checkpoint and the segments hold."""
        kept = [key for key in sorted(self._memories) if self._versions.get(self._memories[key].id) == key]
        for at in range(0, len(kept), _AT_ONCE):
            rows = self._catalog.read(kept[at : at + _AT_ONCE])
            for key in kept[at : at + _AT_ONCE]:
                memory = self._memories[key]
                row = rows.get(key) or self._texts.get(key, _LOST)
                vector = memory.source.vector(memory.at)
                yield Piece(memory.id, vector, row.content, row.metadata, memory.confidence, row.created_at)

    def in_log(self, entries: list[Any]) -> Iterator[Piece]:
        """The kept memories among one record's entries."""
        for key, is_store, id, vector, content, metadata, confidence, created_at in entries:
            if is_store and key not in self._memories and self._versions.get(id) == key:
                yield Piece(id, vector, content, metadata, confidence, created_at)

    # -- the checkpoint

    def _read_manifest(self) -> tuple[int, str, int, int] | None:
        file = self._folder / "manifest"
        try:
            found = _native.read_manifest(self._folder)
        except CorruptionError as error:
            self.report.damage.append(str(error))
            return None
        if found is None:
            self.report.damage.append(f"the manifest {file} is missing")
        return found

    def _find_checkpoint(self) -> Checkpoint:
        if self._manifest is not None:
            _, _, generation, lsn = self._manifest
            if generation == 0:
                return Checkpoint()
            found = self._load(generation, self.report.damage)
            if found.rows is not None and found.lsn != lsn:
                self.report.damage.append(f"hot-{generation}.rows belongs to another checkpoint")
                found.rows = None
            found.lsn = lsn
            return found
        candidates = [self._load(number, []) for number in self._generations()]
        for found in candidates:
            if found.graph is not None and found.rows is not None:
                return found
        return next((found for found in candidates if found.graph is not None), Checkpoint())

    def _generations(self) -> list[int]:
        names = (re.fullmatch(r"hot-(\d+)\.graph", each.name) for each in self._folder.iterdir())
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def _load(self, generation: int, damage: list[str]) -> Checkpoint:
        found = Checkpoint()
        graph, rows = (self._folder / f"hot-{generation}.{kind}" for kind in ("graph", "rows"))
        try:
            found.graph = _native.SalvagedGraph(graph)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            damage.append(str(error) if graph.exists() else f"the checkpoint file {graph} is missing")
        try:
            found.lsn, found.rows = _native.salvage_rows(rows)
        except UnsupportedFormat:
            raise
        except EngramError as error:
            damage.append(str(error) if rows.exists() else f"the checkpoint file {rows} is missing")
        return found

    def _kind(self, dim: int | None, metric: str | None) -> tuple[int, str]:
        """The dimension and metric, from the manifest, the graph, or the caller."""
        graph = self._checkpoint.graph
        if self._manifest is not None:
            known = self._manifest[:2]
        elif graph is not None:
            known = (graph.dim, graph.metric)
        elif self._tiers.kind is not None:
            known = self._tiers.kind
        elif dim is None or metric is None:
            raise InvalidInput(
                f"the manifest of {self._folder} is lost, and with it the dimension and metric: give them "
                '(engram repair PATH --dim N --metric "cosine", "l2" or "ip")'
            )
        else:
            return dim, metric
        if dim not in (None, known[0]):
            raise DimensionMismatch(f"{self._folder} holds vectors of {known[0]} dimensions, not {dim}")
        if metric not in (None, known[1]):
            raise InvalidInput(f"{self._folder} was created with the metric {known[1]!r}, not {metric!r}")
        if graph is not None and (graph.dim, graph.metric) != known:
            self.report.damage.append("the checkpoint's graph is of another dimension or metric")
            self._checkpoint.graph = None
        return known

    def _in_segments(self) -> dict[int, Stored]:
        """By key; those in segments of other vectors are none of this store's."""
        kind = (self.dim, self.metric)
        return {
            each.key: Stored(each.segment, each.row, each.id, each.confidence)
            for each in self._tiers.rows
            if (each.segment.dim, each.segment.metric) == kind and self._may_be_current(each)
        }

    def _may_be_current(self, row: SegmentRow) -> bool:
        """Whether nothing below the checkpoint tells that it was replaced or forgotten."""
        if not self._catalog.whole or row.key >= self._catalog.applied:
            return not row.dead
        if row.key not in self._catalog.keys:
            return False
        # The catalog has it, though it is dead: it has moved to where it may be lost; or the catalog is older
        # than the checkpoint, and it was replaced or forgotten after that.
        return not row.dead or self._catalog_knows or not self._tiers_know

    def _in_checkpoint(self) -> dict[int, Stored]:
        found, graph = self._checkpoint, self._checkpoint.graph
        if graph is None:
            return {}
        born = graph.slots()
        if found.rows is not None:
            return {
                born[slot]: Stored(graph, slot, id, confidence)
                for slot, id, confidence in found.rows
                if slot in born
            }
        # Without its rows: the catalog knows which id each key is.
        slots = {key: slot for slot, key in born.items() if key < found.lsn or found.lsn == 0}
        rows = self._catalog.read([key for key in slots if self._catalog.keys.get(key) is not None])
        return {key: Stored(graph, slots[key], row.id, row.confidence) for key, row in rows.items()}

    def _checkpoint_lsn(self) -> int:
        """The LSN of the checkpoint, or the least it can be."""
        if self._checkpoint.lsn > 0 or self._checkpoint.graph is None:
            return self._checkpoint.lsn
        return max(self._checkpoint.graph.slots().values(), default=-1) + 1

    def _base_lsn(self) -> int:
        """From where on the log's records count; what those before did is known."""
        if self._checkpoint.graph is None:
            return 0
        if self._catalog_knows or self._tiers_know:
            return self._lsn
        return min(self._lsn, self._catalog.applied) if self._catalog.whole else 0

    # -- the log

    def _read_log(self) -> None:
        wanted = {key for key in self._memories if self._catalog.keys.get(key) is None}
        nameless = {key for key, id in self._catalog.keys.items() if id is None} | self._nameless_vectors()
        lost = self._catalog.keys.keys() - self._memories.keys() if self._catalog_knows else set()

        def see(entries: list[Any]) -> None:
            for key, is_store, id, _, content, metadata, confidence, created_at in entries:
                if key in wanted and is_store:
                    self._texts[key] = Row(id, content, metadata, confidence, created_at)
                if key in nameless:
                    self._seen.add(key)
                if not is_store:
                    self._forgotten[id] = key
                if key < self._base and key not in lost:
                    continue
                if key <= self._versions.get(id, -1):
                    continue  # a segment has that version, or a later one
                if is_store:
                    self._versions[id] = key
                else:
                    self._versions.pop(id, None)

        wal = self._folder / "wal"
        if not wal.is_dir():
            self.report.damage.append(f"the log {wal} is missing")
        begin, end, self._ended, unreadable = _native.salvage_log(wal, self.dim, False, see)
        stretches = [Stretch(str(file), *rest) for file, *rest in unreadable]
        first = max(self._base, _FIRST_LSN)
        if begin > first:
            stretches.insert(0, Stretch(str(wal), 0, 0, first, begin))
        known_end = max(self._catalog.applied, self._checkpoint.lsn)
        if known_end > max(end, first):
            stretches.append(Stretch(str(wal), 0, 0, max(end, first), known_end))
        self.report.unreadable = [each for each in stretches if not 0 < each.end_lsn <= self._base]

    # -- what is known to be gone

    def _fill_report(self) -> None:
        report, catalog = self.report, self._catalog
        report.kept = len(self._versions)
        if not catalog.whole and (self._checkpoint.lsn > 0 or (self._folder / FILE_NAME).exists()):
            report.damage.append(f"the catalog {self._folder / FILE_NAME} is damaged or missing")
        # A catalog is never older than the checkpoint: one that is has lost its end.
        report.end_unknown = not self._ended or (
            catalog.applied < self._lsn or (catalog.applied == 0 and bool(report.damage))
        )
        report.gone = sorted(
            id
            for id, key in self._known().items()
            if id not in self._versions and self._forgotten.get(id, -1) < key
        )
        nameless = {key for key, id in catalog.keys.items() if id is None} | self._nameless_vectors()
        report.unnamed = len(nameless - self._memories.keys() - self._seen)
        kept = {key: id for id, key in self._versions.items()}
        report.texts_lost = sorted(
            kept[key]
            for key in self._memories
            if key in kept and catalog.keys.get(key) is None and key not in self._texts
        )
        if self._catalog_knows:
            report.outdated = sorted(
                id for key, id in kept.items() if key < catalog.applied and key not in catalog.keys
            )

    def _known(self) -> dict[str, int]:
        """The ids that were current at the checkpoint or since, as far as that is told; and their keys."""
        known = {id: key for key, id in sorted(self._catalog.keys.items()) if id is not None}
        if self._catalog_knows:
            return known
        if self._tiers_know:  # what they do not hold was forgotten before the checkpoint
            known = {id: key for id, key in known.items() if key >= self._lsn}
        for _, id, _ in self._checkpoint.rows or ():
            known.setdefault(id, self._lsn - 1)
        return known

    def _nameless_vectors(self) -> set[int]:
        """The keys of vectors whose ids neither rows nor catalog tell; some may have been replaced."""
        if self._checkpoint.graph is None or self._checkpoint.rows is not None or self._catalog_knows:
            return set()
        return set(self._checkpoint.graph.slots().values()) - self._memories.keys()
