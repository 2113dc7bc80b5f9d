"""The shape every durable store is brought into.

Each memory has an id, a vector, a short text and one number of metadata, and every store keeps all four. A
store is used as its own documentation uses it, with its own defaults; what it promises about power cuts is
written down beside it, and what it really syncs is counted (`benchmarks.durable.syncs`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import installed

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Memory:
    """One row: number `number`, kept under the id `m<number>`."""

    number: int
    vector: Matrix

    @property
    def id(self) -> str:
        return f"m{self.number}"

    @property
    def text(self) -> str:
        return f"memory number {self.number}, kept with its vector"


class Store(ABC):
    """One durable store under test. `create` or `open` first, `close` last."""

    name: ClassVar[str]
    distribution: ClassVar[str]
    module: ClassVar[str]
    source: ClassVar[str]  # whose way of using it this is
    promise: ClassVar[str]  # what its documentation says is safe when an insert returns
    batch: ClassVar[int] = 1000  # memories in one batched insert

    def __init__(self, folder: Path, dim: int, metric: str) -> None:
        self.folder = folder
        self.dim = dim
        self.metric = metric

    @classmethod
    def version(cls) -> str:
        """The installed version. Raises UnavailableError where the store is not, or cannot be used."""
        return installed(cls.distribution, cls.module)

    def parameters(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def create(self) -> None:
        """Make an empty store in the folder, which is there and empty."""

    @abstractmethod
    def open(self) -> None:
        """Open what an earlier process left."""

    @abstractmethod
    def insert(self, memory: Memory) -> None:
        """Store one memory in a call of its own."""

    @abstractmethod
    def insert_many(self, memories: Sequence[Memory]) -> None:
        """Store `batch` memories the fastest documented way."""

    def finish(self) -> None:  # noqa: B027  (most stores need nothing)
        """What the documentation says to do after a bulk load and before searching."""

    @abstractmethod
    def recall(self, cue: Matrix, k: int) -> Any:
        """The k nearest, with their ids and texts."""

    @abstractmethod
    def numbers(self, found: Any) -> list[int]:
        """The row numbers in what `recall` returned; not timed."""

    @abstractmethod
    def close(self) -> None: ...


def number_of(identity: str) -> int:
    return int(identity[1:])
