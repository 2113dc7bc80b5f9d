"""What runs inside an engine's process: build an index, then search it under one filter after the other."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.process import ALL_CORES, one_core, pin
from benchmarks.filter.engines import ENGINES, Filtering


class FilterWorker:
    """One engine."""

    engine: Filtering

    def version(self, engine: str) -> str:
        return ENGINES[engine].kind.version()

    def build(self, engine: str, base: str, metric: str) -> list[Any]:
        """Build over all rows; returns the values of the search parameter there are to try."""
        vectors = np.load(base)
        self.engine = ENGINES[engine](len(vectors), vectors.shape[1], metric)
        pin(ALL_CORES)
        self.engine.adapter.build(vectors, len(ALL_CORES))
        pin(one_core())
        return list(self.engine.sweep())

    def use(self, allowed: str, queries: str) -> None:
        """Take a filter and its queries."""
        self.allowed: NDArray[np.bool_] = np.load(allowed)
        self.queries: NDArray[np.float32] = np.load(queries)

    def find(self, k: int, value: Any, rounds: int, answers: str) -> float:
        """Ask all queries; write the labels; returns queries a second, in the best of the rounds."""
        search = self.engine.under(self.allowed, k, value)
        best = float("inf")
        for _ in range(rounds):
            begin = time.process_time()
            labels = search(self.queries)
            best = min(best, time.process_time() - begin)
        np.save(answers, labels)
        return len(self.queries) / max(best, 1e-9)
