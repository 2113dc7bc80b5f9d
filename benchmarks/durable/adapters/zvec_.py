"""Zvec, with an HNSW index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.durable.adapters.base import Matrix, Memory, Store, number_of


class Zvec(Store):
    name = "zvec"
    distribution = "zvec"
    module = "zvec"
    source = "https://zvec.org/en/docs/db/quickstart/ (HNSW, m 16, ef_construction 200; optimize after it)"
    promise = "written to its log"
    batch = 1000

    def parameters(self) -> dict[str, Any]:
        return {"m": 16, "ef_construction": 200, "ef": "300 (default)"}

    def create(self) -> None:
        import zvec

        metric = {"l2": zvec.MetricType.L2, "cosine": zvec.MetricType.COSINE, "ip": zvec.MetricType.IP}
        graph = zvec.HnswIndexParam(metric_type=metric[self.metric], m=16, ef_construction=200)
        schema = zvec.CollectionSchema(
            name="memories",
            fields=[
                zvec.FieldSchema("content", zvec.DataType.STRING),
                zvec.FieldSchema("number", zvec.DataType.INT64),
            ],
            vectors=zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, self.dim, index_param=graph),
        )
        self.collection = zvec.create_and_open(path=str(self.folder / "memories"), schema=schema)

    def open(self) -> None:
        import zvec

        self.collection = zvec.open(str(self.folder / "memories"))

    def _document(self, memory: Memory) -> Any:
        import zvec

        return zvec.Doc(
            id=memory.id,
            vectors={"vector": memory.vector},
            fields={"content": memory.text, "number": memory.number},
        )

    def insert(self, memory: Memory) -> None:
        _check(self.collection.insert(self._document(memory)))

    def insert_many(self, memories: Sequence[Memory]) -> None:
        for status in self.collection.insert([self._document(memory) for memory in memories]):
            _check(status)

    def finish(self) -> None:
        self.collection.optimize()

    def recall(self, cue: Matrix, k: int) -> Any:
        import zvec

        return self.collection.query(zvec.Query(field_name="vector", vector=cue), topk=k)

    def numbers(self, found: Any) -> list[int]:
        return [number_of(document.id) for document in found]

    def close(self) -> None:
        self.collection.close()


def _check(status: Any) -> None:
    if not status.ok():
        raise RuntimeError(f"zvec refused an insert: {status}")
