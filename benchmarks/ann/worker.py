"""What runs inside an engine's process: build an index, or load one and measure searches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.adapters.base import Adapter
from benchmarks.common.own import find
from benchmarks.common.process import ALL_CORES, folder_bytes, no_collection, one_core, pin, resident_bytes

_WARM_UP = 50
# Since its last turn the others have had the caches: what fits into them is brought back first, so that no
# turn measures how much of it that was.
_WARM_SECONDS = 0.05
# Of single queries, of batches: less says more of the weather than of the engine.
_LEAST_SECONDS = (0.15, 0.06)


class AnnWorker:
    """One engine, ``kind`` its adapter's address. `build` is called in a process of its own, so that what it
    leaves behind is not counted."""

    adapter: Adapter
    queries: NDArray[np.float32]
    prepared: list[Any]

    def build(self, kind: str, base: str, metric: str, threads: int, folder: str | None) -> dict[str, Any]:
        """Build over the vectors of a file; save when told where to. ``threads`` 0: all there are."""
        vectors = np.load(base)
        adapter: Adapter = find(kind, Adapter)(len(vectors), vectors.shape[1], metric)
        adapter.version()  # imports the library, off the clock
        threads = threads or len(ALL_CORES)
        pin(one_core() if threads == 1 else ALL_CORES)
        begin = time.perf_counter()
        adapter.build(vectors, threads)
        seconds = time.perf_counter() - begin
        result: dict[str, Any] = {"threads": threads, "seconds": seconds}
        if folder is not None:
            adapter.save(Path(folder))
            result["disk_bytes"] = folder_bytes(Path(folder))
        return result

    def load(self, kind: str, rows: int, queries: str, metric: str, folder: str) -> dict[str, Any]:
        """Load a saved index; say how long that took and how much memory it is, by difference."""
        self.queries = np.load(queries)
        self.adapter = find(kind, Adapter)(rows, self.queries.shape[1], metric)
        self.adapter.version()
        pin(one_core())
        before = resident_bytes()
        begin = time.perf_counter()
        self.adapter.load(Path(folder))
        seconds = time.perf_counter() - begin
        search = self.adapter.single(10, self.adapter.sweep()[0])
        for query in self.queries[:_WARM_UP]:
            search(self.adapter.prepare(query))
        memory = resident_bytes() - before
        self.prepared = [self.adapter.prepare(query) for query in self.queries]
        return {"load_seconds": seconds, "memory_bytes": memory}

    def one_at_a_time(
        self, value: Any, k: int, count: int | None, seconds: float, answers: str | None
    ) -> dict[str, float]:
        """Each query by itself, on one core: what each call cost its caller.

        ``count`` queries are asked, or as many as fit into ``seconds``; how many is in the answer. Those of a
        fast engine are asked again until there is enough to time.
        """
        pin(one_core())
        search = self.adapter.single(k, value)
        clock = time.perf_counter_ns
        taken = []
        found = []
        with no_collection():
            warm = clock() + int(_WARM_SECONDS * 1e9)
            for query in itertools.cycle(self.prepared):
                search(query)
                if clock() >= warm:
                    break
            start = clock()
            stop = start + int(seconds * 1e9)
            for query in self.prepared[:count]:
                begin = clock()
                result = search(query)
                end = clock()
                taken.append(end - begin)
                found.append(result)
                if end > stop:
                    break
            while clock() < start + int(_LEAST_SECONDS[0] * 1e9):
                for query in self.prepared[: len(found)]:
                    begin = clock()
                    search(query)
                    taken.append(clock() - begin)
        times = np.array(taken)
        if answers is not None:
            rows = [_row(self.adapter.labels(result), k) for result in found]
            np.save(answers, np.stack(rows))
        p50, p95, p99 = (float(value) / 1000 for value in np.percentile(times, (50, 95, 99)))
        qps = len(times) / (times.sum() / 1e9)
        return {"qps": qps, "p50_us": p50, "p95_us": p95, "p99_us": p99, "queries": len(found)}

    def batched(self, value: Any, k: int, threads: int, count: int, answers: str | None) -> dict[str, float]:
        """The first ``count`` queries in one call, with ``threads`` threads (0: all cores); again if fast."""
        threads = threads or len(ALL_CORES)
        pin(one_core() if threads == 1 else ALL_CORES)
        search = self.adapter.batch(k, value, threads)
        queries = self.queries[:count]
        search(queries[:_WARM_UP])
        with no_collection():
            begin = time.perf_counter()
            found = search(queries)
            calls = 1
            while (seconds := time.perf_counter() - begin) < _LEAST_SECONDS[1]:
                search(queries)
                calls += 1
        if answers is not None:
            labels = self.adapter.labels(found)
            if len(labels) != len(queries):
                raise ValueError(f"a batch of {len(queries)} queries got {len(labels)} answers")
            np.save(answers, np.stack([_row(row, k) for row in labels]))
        return {"qps": calls * len(queries) / seconds}


def _row(labels: Any, k: int) -> NDArray[np.int64]:
    """k labels of one query; -1 where the engine gave fewer, or one that fits no row number."""
    given: Sequence[Any] | NDArray[Any] = np.asarray(labels).reshape(-1)[:k]
    row = np.full(k, -1, np.int64)
    row[: len(given)] = np.asarray(given).astype(np.int64)
    return row


class VersionWorker:
    """Says which version of an engine is installed."""

    def version(self, kind: str) -> str:
        return str(find(kind, Adapter).version())
