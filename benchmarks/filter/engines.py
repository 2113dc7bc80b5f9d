"""The engines that search under a filter, each the way its documentation says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.adapters.base import Adapter
from benchmarks.ann.adapters.engram_ import Engram
from benchmarks.ann.adapters.faiss_ import FaissFlat, FaissHnsw
from benchmarks.ann.adapters.hnswlib_ import Hnswlib
from benchmarks.ann.adapters.toy import Exact

Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]
Find = Callable[[Matrix], Labels]  # -1 where fewer than k were found


class Filtering(ABC):
    """An index that is searched by one thread, a matrix of queries a call, under one filter."""

    kind: ClassVar[type[Adapter]]

    def __init__(self, rows: int, dim: int, metric: str) -> None:
        self.adapter: Any = self.kind(rows, dim, metric)

    def sweep(self) -> Sequence[Any]:
        values: Sequence[Any] = self.adapter.sweep()
        return values

    @abstractmethod
    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        """A search for the k nearest of the allowed rows. What it makes of the filter is part of the call."""


class FilteringEngram(Filtering):
    kind = Engram

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        search = self.adapter.index.search
        return lambda queries: search(queries, k, ef=value, filter=allowed, threads=1)[0]


class FilteringFaiss(Filtering):
    """IDSelectorBitmap, the quickest of its selectors."""

    kind = FaissHnsw

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        import faiss

        faiss.omp_set_num_threads(1)
        index = self.adapter.index

        def find(queries: Matrix) -> Labels:
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            options = faiss.SearchParametersHNSW(sel=selector, efSearch=max(k, value))
            found: Labels = index.search(queries, k, params=options)[1]
            return found

        return find


class FilteringFaissFlat(Filtering):
    kind = FaissFlat

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        import faiss

        faiss.omp_set_num_threads(1)
        index = self.adapter.index

        def find(queries: Matrix) -> Labels:
            selector = faiss.IDSelectorBatch(np.flatnonzero(allowed))
            found: Labels = index.search(queries, k, params=faiss.SearchParameters(sel=selector))[1]
            return found

        return find


class FilteringHnswlib(Filtering):
    """A Python function that is asked about each label; it raises where it finds fewer than k."""

    kind = Hnswlib

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        index = self.adapter.index
        index.set_ef(max(k, value))
        passes = allowed.tolist().__getitem__

        def find(queries: Matrix) -> Labels:
            found = np.full((len(queries), k), -1, np.int64)
            for row, query in enumerate(queries):
                try:
                    found[row] = index.knn_query(query, k=k, num_threads=1, filter=passes)[0][0]
                except RuntimeError:  # "Cannot return the results in a contiguous 2D array"
                    continue
            return found

        return find


class FilteringExact(Filtering):
    """A scan in numpy, to test the harness by."""

    kind = Exact

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        rows = np.flatnonzero(allowed)
        base = self.adapter.base[rows]

        def find(queries: Matrix) -> Labels:
            scores = ((queries[:, None, :] - base[None, :, :]) ** 2).sum(axis=2)
            best = rows[np.argsort(scores, axis=1, kind="stable")[:, :k]]
            return np.pad(best, ((0, 0), (0, k - best.shape[1])), constant_values=-1)

        return find


class FilteringBlind(FilteringExact):
    """Never asks its filter, to test the harness by: what it finds must not count."""

    def under(self, allowed: Mask, k: int, value: Any) -> Find:
        return super().under(np.ones_like(allowed), k, value)


ENGINES: dict[str, type[Filtering]] = {
    "engram": FilteringEngram,
    "faiss-hnsw": FilteringFaiss,
    "faiss-flat": FilteringFaissFlat,
    "hnswlib": FilteringHnswlib,
    "numpy-exact": FilteringExact,
    "numpy-blind": FilteringBlind,
}
DEFAULT = ["engram", "faiss-hnsw", "faiss-flat", "hnswlib"]
