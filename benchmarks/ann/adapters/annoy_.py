"""Annoy: a forest of random projection trees in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import Adapter, Matrix, Search


class Annoy(Adapter):
    name = "annoy"
    distribution = "annoy"
    module = "annoy"
    source = "https://github.com/spotify/annoy (search_k is swept); 100 trees: the least of ann-benchmarks'"
    search_parameter = "search_k"

    def parameters(self) -> dict[str, Any]:
        return {"n_trees": 100}

    def sweep(self) -> Sequence[int]:
        return (200, 400, 1000, 2000, 4000, 10_000, 20_000, 40_000, 100_000)

    def _empty(self) -> Any:
        from annoy import AnnoyIndex

        return AnnoyIndex(self.dim, {"l2": "euclidean", "cosine": "angular", "ip": "dot"}[self.metric])

    def build(self, base: Matrix, threads: int) -> None:
        self.index = self._empty()
        self.index.set_seed(1)
        for label, vector in enumerate(base.tolist()):
            self.index.add_item(label, vector)
        self.index.build(self.parameters()["n_trees"], n_jobs=threads)

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / "index.annoy"))

    def load(self, folder: Path) -> None:
        self.index = self._empty()
        # Mapped lazily by default; read at once, so that memory and first queries compare with the others'.
        self.index.load(str(folder / "index.annoy"), prefault=True)

    def prepare(self, query: Matrix) -> list[float]:
        return query.tolist()  # type: ignore[no-any-return]

    def single(self, k: int, value: Any) -> Search:
        find = self.index.get_nns_by_vector
        return lambda query: find(query, k, value)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        """Annoy has no batch call; its README's way is one query after the other (it releases the GIL)."""
        from concurrent.futures import ThreadPoolExecutor

        find = self.index.get_nns_by_vector

        def one(query: list[float]) -> Any:
            return find(query, k, value)

        def run(queries: Matrix) -> Any:
            rows = queries.tolist()
            if threads == 1:
                return [one(row) for row in rows]
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(one, rows, chunksize=64))

        return run

    def labels(self, found: Any) -> Any:
        return found
