"""sqlite-vec: a virtual table of vectors inside SQLite, scanned exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.durable.adapters.base import Matrix, Memory, Store


class SqliteVec(Store):
    name = "sqlite-vec"
    distribution = "sqlite-vec"
    module = "sqlite_vec"
    source = (
        "https://alexgarcia.xyz/sqlite-vec/features/knn.html (vec0; exact scan); WAL with synchronous=FULL"
    )
    promise = "survives a power cut (synchronous=FULL)"

    def parameters(self) -> dict[str, Any]:
        return {"journal_mode": "WAL", "synchronous": "FULL", "sqlite": self._library().sqlite_version}

    def _library(self) -> Any:
        """Python's own sqlite3 where it can load extensions, pysqlite3-binary where it cannot."""
        import sqlite3

        if hasattr(sqlite3.Connection, "enable_load_extension"):
            return sqlite3
        import pysqlite3

        return pysqlite3

    def open(self) -> None:
        import sqlite_vec

        self.db = self._library().connect(str(self.folder / "memories.db"), isolation_level=None)
        self.db.enable_load_extension(True)
        sqlite_vec.load(self.db)
        self.db.enable_load_extension(False)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")

    def create(self) -> None:
        self.open()
        metric = {"l2": "l2", "cosine": "cosine"}[self.metric]
        self.db.execute(
            f"create virtual table memories using vec0(number integer primary key, "
            f"vector float[{self.dim}] distance_metric={metric}, +id text, +content text)"
        )

    def insert(self, memory: Memory) -> None:
        self.insert_many([memory])

    def insert_many(self, memories: Sequence[Memory]) -> None:
        rows = [(memory.number, memory.vector.tobytes(), memory.id, memory.text) for memory in memories]
        self.db.execute("begin")
        self.db.executemany("insert into memories(number, vector, id, content) values (?, ?, ?, ?)", rows)
        self.db.execute("commit")

    def recall(self, cue: Matrix, k: int) -> Any:
        return self.db.execute(
            "select number, id, content, distance from memories where vector match ? and k = ?",
            (cue.tobytes(), k),
        ).fetchall()

    def numbers(self, found: Any) -> list[int]:
        return [row[0] for row in found]

    def close(self) -> None:
        self.db.close()
