"""What runs inside a store's process: inserts, a bulk load, a reopening, recalls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.own import find
from benchmarks.common.process import allocated_bytes, resident_bytes
from benchmarks.durable.adapters.base import Memory, Store
from benchmarks.durable.syncs import mark


class StoreWorker:
    """One store, in a process of its own; ``kind`` is its adapter's address."""

    store: Store
    queries: NDArray[np.float32]

    def describe(self, kind: str, dim: int) -> dict[str, Any]:
        """The installed version and the parameters it is used with."""
        adapter = find(kind, Store)
        return {"version": adapter.version(), "parameters": adapter(Path(), dim, "l2").parameters()}

    def singles(
        self, kind: str, base: str, metric: str, folder: str, count: int, seconds: float
    ) -> dict[str, Any]:
        """Inserts one at a time into a new store: ``count`` of them, or what fits into ``seconds``."""
        vectors = np.load(base, mmap_mode="r")
        under_test = self._new(kind, vectors.shape[1], metric, folder)
        for memory in _memories(vectors, 0, 10):
            under_test.insert(memory)
        memories = list(_memories(vectors, 10, min(10 + count, len(vectors))))
        times = []
        mark("begin singles")
        stop = time.perf_counter() + seconds
        for memory in memories:
            begin = time.perf_counter()
            under_test.insert(memory)
            end = time.perf_counter()
            times.append(end - begin)
            if end > stop:
                break
        mark("end singles")
        under_test.close()
        p50, p99 = (1e6 * float(value) for value in np.percentile(times, (50, 99)))
        return {"inserts": len(times), "per_second": len(times) / sum(times), "p50_us": p50, "p99_us": p99}

    def batches(self, kind: str, base: str, metric: str, folder: str, count: int) -> dict[str, Any]:
        """A few batched inserts into a new store, to count what they sync."""
        vectors = np.load(base, mmap_mode="r")
        under_test = self._new(kind, vectors.shape[1], metric, folder)
        under_test.insert(next(_memories(vectors, 0, 1)))
        memories = list(_memories(vectors, 1, min(1 + count * under_test.batch, len(vectors))))
        mark("begin batches")
        for at in range(0, len(memories), under_test.batch):
            under_test.insert_many(memories[at : at + under_test.batch])
        mark("end batches")
        under_test.close()
        return {"inserts": len(memories)}

    def bulk(self, kind: str, base: str, metric: str, folder: str, seconds: float) -> dict[str, Any]:
        """The whole base in batches, or what fits into ``seconds``; then what a search needs."""
        vectors = np.load(base)
        under_test = self._new(kind, vectors.shape[1], metric, folder)
        spent, rows = 0.0, 0
        while rows < len(vectors) and spent < seconds:
            memories = list(_memories(vectors, rows, min(rows + under_test.batch, len(vectors))))
            begin = time.perf_counter()
            under_test.insert_many(memories)
            spent += time.perf_counter() - begin
            rows += len(memories)
        begin = time.perf_counter()
        under_test.finish()
        finished = time.perf_counter() - begin
        under_test.close()
        return {"rows": rows, "seconds": spent, "finish_seconds": finished, "batch": under_test.batch}

    def reopen(self, kind: str, queries: str, metric: str, folder: str) -> dict[str, Any]:
        """Open a loaded store; time until it is open and until it has answered once; memory by difference."""
        self.queries = np.load(queries)
        adapter = find(kind, Store)
        adapter.version()
        self.store = adapter(Path(folder), self.queries.shape[1], metric)
        before = resident_bytes()
        begin = time.perf_counter()
        self.store.open()
        opened = time.perf_counter() - begin
        self.store.recall(self.queries[0], 10)
        answered = time.perf_counter() - begin
        for query in self.queries:
            self.store.recall(query, 10)
        memory = resident_bytes() - before
        return {
            "open_seconds": opened,
            "first_answer_seconds": answered,
            "memory_bytes": memory,
            "disk_bytes": allocated_bytes(Path(folder)),
        }

    def recalls(self, k: int, answers: str | None) -> dict[str, float]:
        """Every query once, by itself."""
        times = np.empty(len(self.queries))
        labels = np.full((len(self.queries), k), -1, np.int64)
        for at, query in enumerate(self.queries):
            begin = time.perf_counter()
            found = self.store.recall(query, k)
            times[at] = time.perf_counter() - begin
            numbers = self.store.numbers(found)
            labels[at, : len(numbers)] = numbers
        if answers is not None:
            np.save(answers, labels)
        p50, p95, p99 = (1e6 * float(value) for value in np.percentile(times, (50, 95, 99)))
        return {"per_second": len(times) / float(times.sum()), "p50_us": p50, "p95_us": p95, "p99_us": p99}

    def close(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    def _new(self, kind: str, dim: int, metric: str, folder: str) -> Store:
        adapter = find(kind, Store)
        adapter.version()
        under_test: Store = adapter(Path(folder), dim, metric)
        under_test.create()
        return under_test


def _memories(vectors: NDArray[np.float32], begin: int, end: int) -> Iterator[Memory]:
    # A copy of its own, as a program's vectors are: not a view into a mapped file.
    return (Memory(number, np.array(vectors[number])) for number in range(begin, end))
