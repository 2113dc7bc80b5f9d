"""The durable stores that are compared, by name."""

from __future__ import annotations

from benchmarks.durable.adapters.base import Memory, Store
from benchmarks.durable.adapters.chroma import Chroma
from benchmarks.durable.adapters.engram_ import EngramAlways, EngramInterval, EngramNever
from benchmarks.durable.adapters.lance import Lance
from benchmarks.durable.adapters.qdrant import QdrantEdge, QdrantLocal
from benchmarks.durable.adapters.sqlitevec import SqliteVec
from benchmarks.durable.adapters.toy import Toy
from benchmarks.durable.adapters.zvec_ import Zvec

__all__ = ["DEFAULT", "STORES", "Memory", "Store"]

_ALL: list[type[Store]] = [
    EngramAlways,
    EngramInterval,
    EngramNever,
    Chroma,
    Lance,
    QdrantLocal,
    QdrantEdge,
    SqliteVec,
    Zvec,
    Toy,
]
STORES: dict[str, type[Store]] = {store.name: store for store in _ALL}
DEFAULT = [name for name, store in STORES.items() if store is not Toy]
