"""A store that tests the harness itself: appends to a file and, unlike most, syncs each insert."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.durable.adapters.base import Matrix, Memory, Store


class Toy(Store):
    name = "toy"
    distribution = "numpy"
    module = "numpy"
    source = "none: the harness's own"
    promise = "survives a power cut"
    batch = 100

    def create(self) -> None:
        self._path = self.folder / "rows.bin"
        self._file = self._path.open("ab", buffering=0)
        self._rows: list[Matrix] = []

    def open(self) -> None:
        self.create()
        raw = np.fromfile(self._path, np.float32).reshape(-1, self.dim)
        self._rows = list(raw)

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        self._file.write(np.stack([memory.vector for memory in memories]).tobytes())
        os.fdatasync(self._file.fileno())
        self._rows += [memory.vector for memory in memories]

    def recall(self, cue: Matrix, k: int) -> Any:
        differences = np.stack(self._rows) - cue
        return np.argsort(np.einsum("ij,ij->i", differences, differences), kind="stable")[:k]

    def numbers(self, found: Any) -> list[int]:
        return [int(number) for number in found]

    def close(self) -> None:
        self._file.close()
