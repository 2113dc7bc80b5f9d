"""Two engines that test the harness itself: an exact scan in numpy, and one whose labels are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.adapters.base import Adapter, Matrix, Search


class Exact(Adapter):
    """A scan of everything: needs nothing but numpy, finds everything."""

    name = "numpy-exact"
    distribution = "numpy"
    module = "numpy"
    source = "none: the harness's own"
    search_parameter = "none"

    def parameters(self) -> dict[str, Any]:
        return {}

    def sweep(self) -> Sequence[int]:
        return (0,)

    def build(self, base: Matrix, threads: int) -> None:
        self.base = base

    def save(self, folder: Path) -> None:
        np.save(folder / "base.npy", self.base)

    def load(self, folder: Path) -> None:
        self.base = np.load(folder / "base.npy")
        self.lengths = np.einsum("ij,ij->i", self.base, self.base)

    def _nearest(self, queries: Matrix, k: int) -> Any:
        products = queries @ self.base.T
        scores = self.lengths / 2 - products if self.metric == "l2" else -products
        return np.argsort(scores, axis=-1, kind="stable")[..., :k]

    def single(self, k: int, value: Any) -> Search:
        return lambda query: self._nearest(query, k)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        return lambda queries: self._nearest(queries, k)

    def labels(self, found: Any) -> Any:
        return found


class Shuffled(Exact):
    """Finds the right rows and returns other labels: a harness that believed it would be worthless."""

    name = "numpy-shuffled"

    def load(self, folder: Path) -> None:
        super().load(folder)
        self.wrong = np.random.default_rng(7).permutation(len(self.base))

    def labels(self, found: Any) -> Any:
        return self.wrong[found]
