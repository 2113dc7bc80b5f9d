"""The same vectors in FAISS and in Engram: recall@10 and speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engram._vectors import Matrix
from engram.store import MemoryStore

K = 10
EF = 64
_ROUNDS = 3


@dataclass(frozen=True)
class Figures:
    """What one of them reached, on one thread."""

    name: str
    recall: float
    queries_per_second: float


def compare(store: MemoryStore, ids: list[str], vectors: Matrix, cues: Matrix) -> list[Figures]:
    """Engram and FAISS's IndexHNSWFlat(dim, 16), efConstruction=200, both at ef=64; nothing without FAISS."""
    try:
        import faiss
    except ImportError:
        return []
    base, queries = _normalised(vectors), _normalised(cues)
    truth = np.argsort(-(queries @ base.T), axis=1, kind="stable")[:, :K]
    rows = {id: row for row, id in enumerate(ids)}

    def engram() -> list[list[int]]:
        return [[rows[id] for id in found.ids] for found in (store.recall(cue, K, ef=EF) for cue in cues)]

    faiss.omp_set_num_threads(1)
    index: Any = faiss.IndexHNSWFlat(base.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    index.add(base)
    index.hnsw.efSearch = EF

    def peer() -> Any:
        return [index.search(query[None, :], K)[1][0] for query in queries]

    return [_measure("engram", engram, truth), _measure("faiss IndexHNSWFlat", peer, truth)]


def _measure(name: str, search: Callable[[], Any], truth: NDArray[np.int64]) -> Figures:
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        found = search()
        seconds.append(time.perf_counter() - began)
    hits = sum(
        len(set(map(int, got)) & set(map(int, wanted))) for got, wanted in zip(found, truth, strict=True)
    )
    return Figures(name, hits / truth.size, len(truth) / min(seconds))


def _normalised(vectors: Matrix) -> Matrix:
    unit: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
