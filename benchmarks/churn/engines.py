"""The engines that take vectors out and put others in, each the way its documentation says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import engram_version, installed

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Churned(ABC):
    """An index that changes. Labels are row numbers and come once; one thread works."""

    name: ClassVar[str]
    how: ClassVar[str]  # it replaces a vector

    def __init__(self, live: int, dim: int, metric: str) -> None:
        self.live, self.dim, self.metric = live, dim, metric

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """The installed version. Raises UnavailableError where there is none."""

    @abstractmethod
    def start(self) -> None:
        """Make the index, empty."""

    @abstractmethod
    def add(self, rows: Rows, vectors: Matrix) -> None: ...

    @abstractmethod
    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        """Take the old rows out and put as many others in."""

    @abstractmethod
    def find(self, queries: Matrix, k: int, ef: int) -> Rows:
        """The labels of the k nearest to each query."""


class Engram(Churned):
    name = "engram"
    how = "remove, add"

    @classmethod
    def version(cls) -> str:
        return engram_version()

    def start(self) -> None:
        import engram

        self.index = engram.Index(self.dim, metric=cast("Literal['l2', 'ip', 'cosine']", self.metric))

    def add(self, rows: Rows, vectors: Matrix) -> None:
        self.index.add(rows, vectors, threads=1)

    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        self.index.remove(old)
        self.index.add(rows, vectors, threads=1)

    def find(self, queries: Matrix, k: int, ef: int) -> Rows:
        return self.index.search(queries, k, ef=ef, threads=1)[0]


class Hnswlib(Churned):
    name = "hnswlib"
    how = "mark_deleted, add_items(replace_deleted=True)"

    @classmethod
    def version(cls) -> str:
        return installed("hnswlib", "hnswlib")

    def start(self) -> None:
        import hnswlib

        self.index: Any = hnswlib.Index(space="l2" if self.metric == "l2" else "ip", dim=self.dim)
        self.index.init_index(max_elements=self.live, M=16, ef_construction=200, allow_replace_deleted=True)

    def add(self, rows: Rows, vectors: Matrix) -> None:
        self.index.add_items(vectors, rows, num_threads=1)

    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        for label in old.tolist():
            self.index.mark_deleted(label)
        self.index.add_items(vectors, rows, num_threads=1, replace_deleted=True)

    def find(self, queries: Matrix, k: int, ef: int) -> Rows:
        self.index.set_ef(ef)
        return np.asarray(self.index.knn_query(queries, k=k, num_threads=1)[0], np.int64)


class Usearch(Churned):
    name = "usearch-f32"
    how = "remove, add"

    @classmethod
    def version(cls) -> str:
        return installed("usearch", "usearch.index")

    def start(self) -> None:
        from usearch.index import Index

        metric = {"l2": "l2sq", "cosine": "cos", "ip": "ip"}[self.metric]
        # ef_construction as the others have it; its own default is 128.
        self.index: Any = Index(ndim=self.dim, metric=metric, connectivity=16, expansion_add=200, dtype="f32")

    def add(self, rows: Rows, vectors: Matrix) -> None:
        self.index.add(rows.astype(np.uint64), vectors, threads=1)

    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        self.index.remove(old.astype(np.uint64))
        self.add(rows, vectors)

    def find(self, queries: Matrix, k: int, ef: int) -> Rows:
        self.index.expansion_search = ef
        found = self.index.search(queries, k, threads=1)
        keys = np.full((len(queries), k), -1, np.int64)
        for row, count in enumerate(np.atleast_1d(found.counts)):
            keys[row, :count] = found.keys[row, :count].astype(np.int64)
        return keys


class Exact(Churned):
    """A scan in numpy, to test the harness by: its recall is 1 whatever happened before."""

    name = "numpy-exact"
    how = "a dictionary"

    @classmethod
    def version(cls) -> str:
        return installed("numpy", "numpy")

    def start(self) -> None:
        self.held: dict[int, NDArray[np.float32]] = {}

    def add(self, rows: Rows, vectors: Matrix) -> None:
        self.held.update(zip(rows.tolist(), vectors, strict=True))

    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        for label in old.tolist():
            del self.held[label]
        self.add(rows, vectors)

    def find(self, queries: Matrix, k: int, ef: int) -> Rows:
        labels = np.fromiter(self.held, np.int64)
        vectors = np.stack(list(self.held.values()))
        products = queries @ vectors.T
        scores = np.einsum("ij,ij->i", vectors, vectors) / 2 - products if self.metric == "l2" else -products
        return labels[np.argsort(scores, axis=1, kind="stable")[:, :k]]


class Forgetful(Exact):
    """Keeps what it should take out, to test the harness by: its recall must fall."""

    name = "numpy-forgetful"

    def replace(self, old: Rows, rows: Rows, vectors: Matrix) -> None:
        """Nothing: the first vectors stay."""


ENGINES: dict[str, type[Churned]] = {
    engine.name: engine for engine in (Engram, Hnswlib, Usearch, Exact, Forgetful)
}
DEFAULT = ["engram", "hnswlib", "usearch-f32"]
