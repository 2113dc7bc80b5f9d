"""Voyager, Spotify's successor of Annoy (on hnswlib's graph)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search


class Voyager(Adapter):
    name = "voyager"
    distribution = "voyager"
    module = "voyager"
    source = (
        "https://spotify.github.io/voyager/python/ (ef_construction 200, the default); "
        "M 16, of ann-benchmarks' config.yml"
    )
    search_parameter = "query_ef"

    def parameters(self) -> dict[str, Any]:
        return {"M": 16, "ef_construction": 200}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def build(self, base: Matrix, threads: int) -> None:
        import voyager

        space = voyager.Space.Euclidean if self.metric == "l2" else voyager.Space.InnerProduct
        self.index = voyager.Index(
            space, num_dimensions=self.dim, max_elements=len(base), **self.parameters()
        )
        self.index.add_items(base, num_threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.voyager"))

    def load(self, folder: Path) -> None:
        import voyager

        self.index = voyager.Index.load(str(folder / "index.voyager"))

    def single(self, k: int, value: Any) -> Search:
        return self.batch(k, value, 1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        query = self.index.query
        ef = max(k, value)
        return lambda queries: query(queries, k, num_threads=threads, query_ef=ef)

    def labels(self, found: Any) -> Any:
        return found[0]
