"""Glass (pyglass), which PyPI does not carry: measured where its user has built it from its repository."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search
from benchmarks.common.installed import UnavailableError
from benchmarks.common.machine import version_of


class Glass(Adapter):
    name = "glass"
    distribution = "glassppy"
    module = "glass"
    source = "https://github.com/hhy3/pyglass and ann-benchmarks' config.yml (HNSW, R 32, L 200, level 2)"
    search_parameter = "ef"

    @classmethod
    def _module_name(cls) -> str:
        for name in ("glass", "glassppy"):
            if importlib.util.find_spec(name) is not None:
                return name
        raise UnavailableError(
            "not installed (PyPI has no build of it: build https://github.com/hhy3/pyglass)"
        )

    @classmethod
    def version(cls) -> str:
        module = importlib.import_module(cls._module_name())
        return version_of("glass") or version_of("glassppy") or str(getattr(module, "__version__", "built"))

    def parameters(self) -> dict[str, Any]:
        return {"R": 32, "L": 200, "level": 2}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def _glass(self) -> Any:
        return importlib.import_module(self._module_name())

    def build(self, base: Matrix, threads: int) -> None:
        glass = self._glass()
        glass.set_num_threads(threads)
        metric = "L2" if self.metric == "l2" else "IP"
        wanted = self.parameters()
        index = glass.Index("HNSW", dim=self.dim, metric=metric, R=wanted["R"], L=wanted["L"])
        self.graph = index.build(base)
        self.base = base

    def save(self, folder: Path) -> None:
        self.graph.save(str(folder / "graph.glass"))
        np.save(folder / "base.npy", self.base)

    def load(self, folder: Path) -> None:
        glass = self._glass()
        base = np.load(folder / "base.npy")
        metric = "L2" if self.metric == "l2" else "IP"
        graph = glass.Graph(str(folder / "graph.glass"))
        self.searcher = glass.Searcher(graph, base, metric, self.parameters()["level"])
        self.searcher.optimize(1)

    def single(self, k: int, value: Any) -> Search:
        self.searcher.set_ef(max(k, value))
        search = self.searcher.search
        return lambda query: search(query, k)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        self.searcher.set_ef(max(k, value))
        search = self.searcher.batch_search
        return lambda queries: search(queries, k, threads)

    def labels(self, found: Any) -> Any:
        return found[0] if isinstance(found, tuple) else found
