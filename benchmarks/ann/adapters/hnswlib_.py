"""hnswlib, the reference implementation of HNSW."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search


class Hnswlib(Adapter):
    name = "hnswlib"
    distribution = "hnswlib"
    module = "hnswlib"
    source = "https://github.com/nmslib/hnswlib (README's example and ALGO_PARAMS.md)"
    search_parameter = "ef"

    def parameters(self) -> dict[str, Any]:
        return {"M": 16, "ef_construction": 200}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def _empty(self) -> Any:
        import hnswlib

        # Vectors under cosine have length 1 already; its own "cosine" would normalise every query again.
        return hnswlib.Index(space="l2" if self.metric == "l2" else "ip", dim=self.dim)

    def build(self, base: Matrix, threads: int) -> None:
        self.index = self._empty()
        self.index.init_index(max_elements=len(base), **self.parameters())
        self.index.add_items(base, num_threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save_index(str(folder / "index.hnswlib"))

    def load(self, folder: Path) -> None:
        self.index = self._empty()
        self.index.load_index(str(folder / "index.hnswlib"))

    def single(self, k: int, value: Any) -> Search:
        return self.batch(k, value, 1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        self.index.set_ef(value)
        query = self.index.knn_query
        return lambda queries: query(queries, k=k, num_threads=threads)

    def labels(self, found: Any) -> Any:
        return found[0]
