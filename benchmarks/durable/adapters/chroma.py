"""Chroma, through its PersistentClient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.durable.adapters.base import Matrix, Memory, Store, number_of


class Chroma(Store):
    name = "chromadb"
    distribution = "chromadb"
    module = "chromadb"
    source = (
        "https://docs.trychroma.com/docs/run-chroma/clients (PersistentClient, default HNSW configuration)"
    )
    promise = "written to SQLite"
    batch = 1000

    def parameters(self) -> dict[str, Any]:
        return {"hnsw": "max_neighbors 16, ef_construction 100, ef_search 100 (defaults)"}

    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        return chromadb.PersistentClient(str(self.folder), Settings(anonymized_telemetry=False))

    def create(self) -> None:
        space = {"l2": "l2", "cosine": "cosine", "ip": "ip"}[self.metric]
        self.client = self._client()
        self.collection = self.client.create_collection("memories", configuration={"hnsw": {"space": space}})

    def open(self) -> None:
        self.client = self._client()
        self.collection = self.client.get_collection("memories")

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        self.collection.add(
            ids=[memory.id for memory in memories],
            embeddings=np.stack([memory.vector for memory in memories]),
            documents=[memory.text for memory in memories],
            metadatas=[{"number": memory.number} for memory in memories],
        )

    def recall(self, cue: Matrix, k: int) -> Any:
        return self.collection.query(query_embeddings=cue[None], n_results=k)

    def numbers(self, found: Any) -> list[int]:
        return [number_of(identity) for identity in found["ids"][0]]

    def close(self) -> None:
        """PersistentClient has nothing to close: it ends with its process."""
