"""engram.Index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search
from benchmarks.common.installed import engram_version


class Engram(Adapter):
    name = "engram"
    distribution = "engram-store"
    module = "engram"
    source = "docs/benchmarks.md (the defaults)"
    search_parameter = "ef"

    @classmethod
    def version(cls) -> str:
        return engram_version()

    def parameters(self) -> dict[str, Any]:
        return {"M": 16, "ef_construction": 200}

    def sweep(self) -> Sequence[int]:
        return (5, 6, 8, *GRAPH_SWEEP)  # a walk may be narrower than what it is asked for

    def build(self, base: Matrix, threads: int) -> None:
        import engram

        metric = cast("Literal['l2', 'ip', 'cosine']", self.metric)
        self.index = engram.Index(self.dim, metric=metric, **self.parameters())
        self.index.add(np.arange(len(base), dtype=np.int64), base, threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save(folder / "index.engram")

    def load(self, folder: Path) -> None:
        import engram

        self.index = engram.Index.load(folder / "index.engram")

    def single(self, k: int, value: Any) -> Search:
        search = self.index.search
        return lambda query: search(query, k, ef=value, threads=1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        search = self.index.search
        ef = value if k <= 10 else max(k, value)  # as broad as others' walks, where k is not what is timed
        return lambda queries: search(queries, k, ef=ef, threads=threads)

    def prepare(self, query: Matrix) -> Matrix:
        return query.reshape(1, -1)

    def labels(self, found: Any) -> Any:
        return found[0]
