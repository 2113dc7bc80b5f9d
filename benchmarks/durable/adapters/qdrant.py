"""Qdrant inside the process: the client's local mode, and Qdrant Edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.durable.adapters.base import Matrix, Memory, Store


class QdrantLocal(Store):
    name = "qdrant-client"
    distribution = "qdrant-client"
    module = "qdrant_client"
    source = (
        "https://github.com/qdrant/qdrant-client#local-mode (path=...; exact search in numpy, for small data)"
    )
    promise = "written to SQLite"

    def create(self) -> None:
        from qdrant_client import QdrantClient, models

        kinds = {"l2": "EUCLID", "cosine": "COSINE", "ip": "DOT"}
        distance = models.Distance[kinds[self.metric]]
        self.client = QdrantClient(path=str(self.folder))
        self.client.create_collection(
            "memories", vectors_config=models.VectorParams(size=self.dim, distance=distance)
        )

    def open(self) -> None:
        from qdrant_client import QdrantClient

        self.client = QdrantClient(path=str(self.folder))

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        from qdrant_client import models

        self.client.upsert(
            "memories",
            [
                models.PointStruct(
                    id=memory.number,
                    vector=memory.vector,  # an array: faster than a list in local mode
                    payload={"id": memory.id, "content": memory.text, "number": memory.number},
                )
                for memory in memories
            ],
        )

    def recall(self, cue: Matrix, k: int) -> Any:
        return self.client.query_points("memories", query=cue, limit=k)

    def numbers(self, found: Any) -> list[int]:
        return [point.id for point in found.points]

    def close(self) -> None:
        self.client.close()


class QdrantEdge(Store):
    name = "qdrant-edge-py"
    distribution = "qdrant-edge-py"
    module = "qdrant_edge"
    source = "https://qdrant.tech/documentation/edge/edge-quickstart/ (defaults; optimize after loading)"
    promise = "written to its log; durable after flush()"

    def create(self) -> None:
        import qdrant_edge as edge

        distance = {"l2": edge.Distance.Euclid, "cosine": edge.Distance.Cosine, "ip": edge.Distance.Dot}
        config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=self.dim, distance=distance[self.metric]))
        self.shard = edge.EdgeShard.create(str(self.folder / "shard"), config)

    def open(self) -> None:
        import qdrant_edge as edge

        self.shard = edge.EdgeShard.load(str(self.folder / "shard"))

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        import qdrant_edge as edge

        points = [
            edge.Point(
                memory.number,
                memory.vector.tolist(),
                {"id": memory.id, "content": memory.text, "number": memory.number},
            )
            for memory in memories
        ]
        self.shard.update(edge.UpdateOperation.upsert_points(points))

    def finish(self) -> None:
        self.shard.optimize()
        self.shard.flush()

    def recall(self, cue: Matrix, k: int) -> Any:
        import qdrant_edge as edge

        query = edge.Query.Nearest(cue.tolist())
        return self.shard.query(edge.QueryRequest(limit=k, query=query, with_payload=True))

    def numbers(self, found: Any) -> list[int]:
        return [point.id for point in found]

    def close(self) -> None:
        self.shard.close()
