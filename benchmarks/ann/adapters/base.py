"""The shape every engine is brought into.

An adapter calls its library the way that library's documentation does, and nothing more: no caching, no
conversion inside the timed call that a caller of the library would not pay. What a result looks like is the
library's business; `labels` reads it after the clock has stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import installed

Matrix = NDArray[np.float32]
Search = Callable[[Any], Any]

# Breadths of a graph walk: dense where the targets (0.90, 0.95, 0.99) usually lie.
GRAPH_SWEEP = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 512, 800)


class Adapter(ABC):
    """One engine with one set of build parameters.

    Life: `build` then `save`, in one process; `load` then searches, in another.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]  # on PyPI
    module: ClassVar[str]
    source: ClassVar[str]  # whose recommendation the parameters are
    search_parameter: ClassVar[str]  # what is swept

    def __init__(self, rows: int, dim: int, metric: str) -> None:
        self.rows = rows
        self.dim = dim
        self.metric = metric

    @classmethod
    def version(cls) -> str:
        """The installed version. Raises UnavailableError where the engine is not, or cannot be used."""
        return installed(cls.distribution, cls.module)

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What the index is built with, as the result shows it."""

    @abstractmethod
    def sweep(self) -> Sequence[Any]:
        """Values of the search parameter, from fast to thorough."""

    @abstractmethod
    def build(self, base: Matrix, threads: int) -> None:
        """Index all rows; labels are row numbers. ``threads`` is how many may work."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index into an empty folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote, ready to search."""

    @abstractmethod
    def single(self, k: int, value: Any) -> Search:
        """A function that finds the k nearest of one prepared query, with one thread."""

    @abstractmethod
    def batch(self, k: int, value: Any, threads: int) -> Search:
        """A function that finds the k nearest of each row of a matrix, with ``threads`` threads."""

    def prepare(self, query: Matrix) -> Any:
        """One query, shape (dim,), in the form the library likes best; not timed."""
        return query

    @abstractmethod
    def labels(self, found: Any) -> Any:
        """The labels in what a search returned, nearest first: one row a query, or one query's alone."""
