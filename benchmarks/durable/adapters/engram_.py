"""engram.MemoryStore, in each of its three modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

import numpy as np

from benchmarks.common.installed import engram_version
from benchmarks.durable.adapters.base import Matrix, Memory, Store, number_of


class EngramAlways(Store):
    name = "engram-always"
    distribution = "engram-store"
    module = "engram"
    source = "README (the defaults)"
    promise = "survives a power cut"
    fsync: ClassVar[Literal["always", "interval", "never"]] = "always"

    @classmethod
    def version(cls) -> str:
        return engram_version()

    def parameters(self) -> dict[str, Any]:
        return {"fsync": self.fsync}

    def create(self) -> None:
        import engram

        metric = cast("Literal['cosine', 'l2', 'ip']", self.metric)
        self.store = engram.open(self.folder / "store", dim=self.dim, metric=metric, fsync=self.fsync)

    def open(self) -> None:
        import engram

        self.store = engram.open(self.folder / "store", fsync=self.fsync)

    def insert(self, memory: Memory) -> None:
        self.store.store(memory.id, memory.vector, content=memory.text, metadata={"number": memory.number})

    def insert_many(self, memories: Sequence[Memory]) -> None:
        self.store.store_many(
            [memory.id for memory in memories],
            np.stack([memory.vector for memory in memories]),
            contents=[memory.text for memory in memories],
            metadata=[{"number": memory.number} for memory in memories],
        )

    def finish(self) -> None:
        self.store.wait_indexed()

    def recall(self, cue: Matrix, k: int) -> Any:
        # The text is read when first asked for; the other stores hand it over with the hits.
        return [(hit.id, hit.content) for hit in self.store.recall(cue, k)]

    def numbers(self, found: Any) -> list[int]:
        return [number_of(identity) for identity, _ in found]

    def close(self) -> None:
        self.store.close()


class EngramInterval(EngramAlways):
    name = "engram-interval"
    promise = "survives a killed process; a power cut loses at most 50 ms"
    fsync = "interval"


class EngramNever(EngramAlways):
    name = "engram-never"
    promise = "survives a killed process"
    fsync = "never"
