"""RaBitQ-Library (rabitqlib): SymphonyQG on full vectors and on 8-bit codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search


class SymphonyQg(Adapter):
    name = "symphonyqg"
    distribution = "rabitqlib"
    module = "rabitqlib"
    source = (
        "https://github.com/VectorDB-NTU/RaBitQ-Library/blob/main/docs/docs/benchmarks/graphs.md "
        "(degree 32, ef_construction 200, init pipnn; ef from 16)"
    )
    search_parameter = "ef"
    quantization_bits = 0

    def parameters(self) -> dict[str, Any]:
        return {
            "max_degree": 32,
            "ef_construction": 200,
            "init": "pipnn",
            "quantization_bits": self.quantization_bits,
        }

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def build(self, base: Matrix, threads: int) -> None:
        from rabitqlib import SymqgIndex

        wanted = self.parameters()
        self.index = SymqgIndex(
            dim=self.dim,
            max_degree=wanted["max_degree"],
            metric="l2" if self.metric == "l2" else "ip",
            quantization_bits=wanted["quantization_bits"],
        )
        self.index.build(
            base, ef_construction=wanted["ef_construction"], num_threads=threads, init=wanted["init"]
        )

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.symqg"))

    def load(self, folder: Path) -> None:
        from rabitqlib import SymqgIndex

        self.index = SymqgIndex.load(str(folder / "index.symqg"))

    def prepare(self, query: Matrix) -> Matrix:
        return query.reshape(1, -1)

    def single(self, k: int, value: Any) -> Search:
        return self.batch(k, value, 1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        search = self.index.search_batch
        ef = max(k, value)
        return lambda queries: search(queries, k, ef, threads)

    def labels(self, found: Any) -> Any:
        return found[0]


class SymphonyQg8(SymphonyQg):
    name = "symphonyqg-8bit"
    quantization_bits = 8
