"""USearch, on float32 and on 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search


class Usearch(Adapter):
    name = "usearch-f32"
    distribution = "usearch"
    module = "usearch.index"
    source = "https://unum-cloud.github.io/usearch/ (the defaults: connectivity 16, expansion_add 128)"
    search_parameter = "expansion_search"
    dtype = "f32"

    def parameters(self) -> dict[str, Any]:
        return {"connectivity": 16, "expansion_add": 128, "dtype": self.dtype}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def _empty(self) -> Any:
        from usearch.index import Index

        metric = {"l2": "l2sq", "cosine": "cos", "ip": "ip"}[self.metric]
        return Index(ndim=self.dim, metric=metric, **self.parameters())

    def build(self, base: Matrix, threads: int) -> None:
        self.index = self._empty()
        self.index.add(np.arange(len(base), dtype=np.uint64), base, threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.usearch"))

    def load(self, folder: Path) -> None:
        self.index = self._empty()
        self.index.load(str(folder / "index.usearch"))

    def single(self, k: int, value: Any) -> Search:
        self.index.expansion_search = value
        search = self.index.search
        return lambda query: search(query, k, threads=1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        self.index.expansion_search = value
        search = self.index.search
        return lambda queries: search(queries, k, threads=threads)

    def labels(self, found: Any) -> Any:
        return found.keys


class UsearchI8(Usearch):
    """8-bit integers.

    USearch makes them of unit vectors under cosine by itself; under l2 they must come as integers, so vectors
    are scaled to -127..127 here.
    """

    name = "usearch-i8"
    source = (
        "https://unum-cloud.github.io/usearch/ (quantisation: dtype='i8'); under l2 scaled to -127..127 first"
    )
    dtype = "i8"

    def build(self, base: Matrix, threads: int) -> None:
        if self.metric == "l2":
            self._fit(base)
            base = self._scaled(base)
        super().build(base, threads)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.metric == "l2":
            np.save(folder / "scale.npy", np.array([self.middle, self.scale]))

    def load(self, folder: Path) -> None:
        super().load(folder)
        if self.metric == "l2":
            self.middle, self.scale = np.load(folder / "scale.npy")

    def _fit(self, base: Matrix) -> None:
        low, high = float(base.min()), float(base.max())
        self.middle, self.scale = (low + high) / 2, 254.0 / max(high - low, 1e-30)

    def _scaled(self, vectors: Matrix) -> Any:
        return np.clip(np.rint((vectors - self.middle) * self.scale), -127, 127).astype(np.int8)

    def prepare(self, query: Matrix) -> Any:
        return self._scaled(query) if self.metric == "l2" else query

    def batch(self, k: int, value: Any, threads: int) -> Search:
        search = super().batch(k, value, threads)
        if self.metric != "l2":
            return search
        return lambda queries: search(self._scaled(queries))
