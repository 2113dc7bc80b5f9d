"""FAISS (faiss-cpu): HNSW on float32, HNSW on 8-bit codes, inverted lists, and the exact scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search

_GUIDE = "https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index"


class _Faiss(Adapter):
    distribution = "faiss-cpu"
    module = "faiss"

    def _metric(self) -> int:
        import faiss

        # Vectors under cosine have length 1, so the inner product orders them.
        metric: int = faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        return metric

    def _make(self, base: Matrix) -> Any:
        raise NotImplementedError

    def _set(self, value: Any, k: int) -> None:
        """Set the search parameter."""

    def build(self, base: Matrix, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.index = self._make(base)
        if not self.index.is_trained:
            self.index.train(base)
        self.index.add(base)

    def save(self, folder: Path) -> None:
        import faiss

        faiss.write_index(self.index, str(folder / "index.faiss"))

    def load(self, folder: Path) -> None:
        import faiss

        self.index = faiss.read_index(str(folder / "index.faiss"))

    def prepare(self, query: Matrix) -> Matrix:
        return query.reshape(1, -1)

    def single(self, k: int, value: Any) -> Search:
        return self.batch(k, value, 1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        import faiss

        faiss.omp_set_num_threads(threads)
        self._set(value, k)
        search = self.index.search
        return lambda queries: search(queries, k)

    def labels(self, found: Any) -> Any:
        return found[1]


class FaissHnsw(_Faiss):
    name = "faiss-hnsw"
    source = (
        f"{_GUIDE} (HNSWx, 4 <= x <= 64); efConstruction as RaBitQ-Library's and hnswlib's comparisons set it"
    )
    search_parameter = "efSearch"

    def parameters(self) -> dict[str, Any]:
        return {"M": 16, "efConstruction": 200}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def _make(self, base: Matrix) -> Any:
        import faiss

        index = faiss.IndexHNSWFlat(self.dim, self.parameters()["M"], self._metric())
        index.hnsw.efConstruction = self.parameters()["efConstruction"]
        return index

    def _set(self, value: Any, k: int) -> None:
        self.index.hnsw.efSearch = max(k, value)  # the other graphs raise it to k by themselves


class FaissHnsw32(FaissHnsw):
    name = "faiss-hnsw32"
    source = f"{_GUIDE} (its examples take HNSW32)"

    def parameters(self) -> dict[str, Any]:
        return {"M": 32, "efConstruction": 200}


class FaissHnswSq8(FaissHnsw):
    name = "faiss-hnsw-sq8"
    source = f"{_GUIDE} (HNSW on SQ8 when memory matters); no refinement, as IndexHNSWSQ comes"

    def _make(self, base: Matrix) -> Any:
        import faiss

        index = faiss.IndexHNSWSQ(
            self.dim, faiss.ScalarQuantizer.QT_8bit, self.parameters()["M"], self._metric()
        )
        index.hnsw.efConstruction = self.parameters()["efConstruction"]
        return index


class FaissIvf(_Faiss):
    name = "faiss-ivf"
    source = f"{_GUIDE} (below 1M vectors: 4*sqrt(n) to 16*sqrt(n) lists)"
    search_parameter = "nprobe"

    def parameters(self) -> dict[str, Any]:
        return {"nlist": int(4 * math.sqrt(self.rows))}

    def sweep(self) -> Sequence[int]:
        return (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)

    def _make(self, base: Matrix) -> Any:
        import faiss

        return faiss.index_factory(self.dim, f"IVF{self.parameters()['nlist']},Flat", self._metric())

    def _set(self, value: Any, k: int) -> None:
        self.index.nprobe = value


class FaissFlat(_Faiss):
    name = "faiss-flat"
    source = f"{_GUIDE} (the exact reference)"
    search_parameter = "none"

    def parameters(self) -> dict[str, Any]:
        return {}

    def sweep(self) -> Sequence[int]:
        return (0,)

    def _make(self, base: Matrix) -> Any:
        import faiss

        return faiss.IndexFlat(self.dim, self._metric())
