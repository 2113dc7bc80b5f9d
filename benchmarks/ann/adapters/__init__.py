"""The engines that are compared, by name."""

from __future__ import annotations

from benchmarks.ann.adapters.annoy_ import Annoy
from benchmarks.ann.adapters.base import Adapter
from benchmarks.ann.adapters.engram_ import Engram
from benchmarks.ann.adapters.faiss_ import FaissFlat, FaissHnsw, FaissHnsw32, FaissHnswSq8, FaissIvf
from benchmarks.ann.adapters.glass_ import Glass
from benchmarks.ann.adapters.hnswlib_ import Hnswlib
from benchmarks.ann.adapters.rabitq import SymphonyQg, SymphonyQg8
from benchmarks.ann.adapters.scann_ import Scann
from benchmarks.ann.adapters.svs_ import Svs, SvsLvq8
from benchmarks.ann.adapters.toy import Exact, Shuffled
from benchmarks.ann.adapters.usearch_ import Usearch, UsearchI8
from benchmarks.ann.adapters.voyager_ import Voyager

__all__ = ["ADAPTERS", "DEFAULT", "Adapter"]

_ALL: list[type[Adapter]] = [
    Engram,
    FaissHnsw,
    FaissHnsw32,
    FaissHnswSq8,
    FaissIvf,
    FaissFlat,
    Hnswlib,
    Usearch,
    UsearchI8,
    Annoy,
    Voyager,
    SymphonyQg,
    SymphonyQg8,
    Scann,
    Svs,
    SvsLvq8,
    Glass,
    Exact,
    Shuffled,
]
ADAPTERS: dict[str, type[Adapter]] = {adapter.name: adapter for adapter in _ALL}
# What a run compares when it is not told otherwise: everything but the two that exist to test the harness.
DEFAULT = [name for name, adapter in ADAPTERS.items() if adapter not in (Exact, Shuffled)]
