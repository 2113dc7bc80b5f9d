"""The judge of what a store should hold: a dict, and brute force in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import engram

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Stored:
    vector: Floats
    content: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    confidence: float = 1.0


class Model:
    def __init__(self, metric: str = "l2") -> None:
        self.metric = metric
        self.memories: dict[str, Stored] = {}

    def distance(self, cue: Floats, vector: Floats) -> float:
        a, b = cue.astype(np.float64), vector.astype(np.float64)
        if self.metric == "l2":
            return float(((a - b) ** 2).sum())
        if self.metric == "ip":
            return float(1 - a @ b)
        return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))

    def distances(self, cue: Floats) -> dict[str, float]:
        return {id: self.distance(cue, memory.vector) for id, memory in self.memories.items()}

    def check_memory(self, store: engram.MemoryStore, id: str) -> None:
        """The store holds under this id exactly what the model holds."""
        found, wanted = store.get(id), self.memories.get(id)
        assert (found is not None) == (id in store) == (wanted is not None), id
        if found is not None and wanted is not None:
            assert found.vector.dtype == np.float32
            assert found.vector.tobytes() == wanted.vector.tobytes(), id
            assert found.content == wanted.content
            assert found.metadata == wanted.metadata
            assert found.confidence == wanted.confidence

    def check_recall(self, store: engram.MemoryStore, cue: Floats, k: int) -> None:
        """A recall broad enough to see everything brings the k nearest, with their distances and texts."""
        wanted = self.distances(cue)
        found = store.recall(cue, k=k, ef=max(64, 4 * len(wanted)))
        assert len(found) == min(k, len(wanted))
        assert len(set(found.ids)) == len(found), "a memory is shown twice"
        assert found.distances == sorted(found.distances)
        scale = 1 + max((abs(each) for each in wanted.values()), default=0.0)
        nearest = sorted(wanted.values())[: len(found)]
        np.testing.assert_allclose(found.distances, nearest, rtol=1e-4, atol=1e-5 * scale)
        for hit in found:
            assert hit.distance == pytest.approx(wanted[hit.id], rel=1e-4, abs=1e-5 * scale)
            assert hit.content == self.memories[hit.id].content
            assert hit.metadata == self.memories[hit.id].metadata
            assert abs(hit.confidence - self.memories[hit.id].confidence) < 1e-6

    def check_all(self, store: engram.MemoryStore) -> None:
        assert len(store) == len(self.memories)
        assert sorted(store) == sorted(self.memories)
        for id in self.memories:
            self.check_memory(store, id)
