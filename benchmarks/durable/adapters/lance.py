"""LanceDB, with its HNSW index on 8-bit codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.durable.adapters.base import Matrix, Memory, Store, number_of


class Lance(Store):
    name = "lancedb"
    distribution = "lancedb"
    module = "lancedb"
    source = "https://lancedb.github.io/lancedb/ann_indexes/ (IVF_HNSW_SQ, defaults; optimize after loading)"
    promise = "a new version of the table's files is written"
    batch = 10_000  # its documentation asks for large batches: each makes a file

    def parameters(self) -> dict[str, Any]:
        return {"index": "IVF_HNSW_SQ"}

    def create(self) -> None:
        import lancedb
        import pyarrow as pa

        schema = pa.schema(
            [
                ("id", pa.string()),
                ("vector", pa.list_(pa.float32(), self.dim)),
                ("content", pa.string()),
                ("number", pa.int64()),
            ]
        )
        self.table = lancedb.connect(self.folder).create_table("memories", schema=schema)

    def open(self) -> None:
        import lancedb

        self.table = lancedb.connect(self.folder).open_table("memories")

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        import pyarrow as pa

        vectors = pa.array(np.concatenate([memory.vector for memory in memories]))
        self.table.add(
            pa.table(
                {
                    "id": [memory.id for memory in memories],
                    "vector": pa.FixedSizeListArray.from_arrays(vectors, self.dim),
                    "content": [memory.text for memory in memories],
                    "number": [memory.number for memory in memories],
                },
                schema=self.table.schema,
            )
        )

    def finish(self) -> None:
        from lancedb.index import HnswSq

        distance = {"l2": "l2", "cosine": "cosine", "ip": "dot"}[self.metric]
        self.table.create_index("vector", config=HnswSq(distance_type=distance))
        self.table.optimize()

    def recall(self, cue: Matrix, k: int) -> Any:
        return self.table.search(cue).limit(k).select(["id", "content", "_distance"]).to_list()

    def numbers(self, found: Any) -> list[int]:
        return [number_of(row["id"]) for row in found]

    def close(self) -> None:
        """LanceDB has nothing to close: every call leaves its files complete."""
