"""Recall beside a writer, and bulk loading: what runs inside the process of each."""

from __future__ import annotations

import itertools
import operator
import threading
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.common.installed import engram_version
from benchmarks.queue.worker import Floats, Recalling, fill, percentiles

K = 10
Metric = Literal["cosine", "l2", "ip"]


class RecallWorker:
    """One writer at full speed under ``fsync="always"`` and one thread that recalls."""

    def version(self) -> str:
        return engram_version()

    def measure(
        self, base: str, queries: str, metric: Metric, folder: str, prefill: int, seconds: float, checks: int
    ) -> dict[str, Any]:
        """Latencies of recalls while nobody stores and while somebody does; the worst recall@10 of all."""
        import engram

        vectors, cues = np.load(base), np.load(queries)
        with engram.open(Path(folder) / "store", dim=vectors.shape[1], metric=metric) as store:
            fill(store, vectors[:prefill])
            stop, stored = threading.Event(), [prefill]
            with Watched(store, cues, stored) as idle:
                time.sleep(seconds / 4)
            writer = threading.Thread(target=_keep_storing, args=(store, vectors, prefill, stop, stored))
            with Watched(store, cues, stored) as busy:
                writer.start()
                begin = time.perf_counter()
                for _ in range(checks):
                    time.sleep(seconds / checks)
                    busy.check()
                wrote = time.perf_counter() - begin
                count = stored[0] - prefill
                stop.set()
                writer.join()
            # Judged afterwards: what is right takes longer to find than to answer.
            found = [
                float(np.mean([_share(vectors, cues, metric, *answer[1:]) for answer in of_check]))
                for _, of_check in itertools.groupby(busy.answers, key=operator.itemgetter(0))
            ]
            before, during = percentiles(idle.times()), percentiles(busy.times())
        return {
            **{f"idle_{name}": value for name, value in before.items()},
            **{f"busy_{name}": value for name, value in during.items()},
            "p99_ratio": during["p99_us"] / before["p99_us"],
            "stores_per_second": count / wrote,
            "checks": len(found),
            "least_recall_at_10": min(found),
        }


class Watched(Recalling):
    """One thread that recalls, and keeps some of its answers whenever it is asked to."""

    _KEPT = 50

    def __init__(self, store: Any, cues: Floats, stored: list[int]) -> None:
        super().__init__(store, cues, 1)
        self._stored = stored
        self._checks = self._left = 0
        self.answers: list[tuple[int, int, int, list[str]]] = []  # check, cue, acknowledged before, ids

    def check(self) -> None:
        """The next answers are kept."""
        self._checks += 1
        self._left = self._KEPT

    def _recall_one(self, cue: int) -> Any:
        known = self._stored[0]
        # Some of the nearest may have come while it looked.
        found = self._store.recall(self._cues[cue], k=2 * K)
        return known, found

    def _recalled(self, cue: int, answer: Any) -> None:
        if self._left > 0:
            self._left -= 1
            known, found = answer
            self.answers.append((self._checks, cue, known, found.ids))


class IngestWorker:
    """Bulk loading by ``store_many``, and the same vectors put into a bare ``Index``."""

    def version(self) -> str:
        return engram_version()

    def measure(self, base: str, metric: Metric, folder: str, count: int, threads: int) -> dict[str, Any]:
        """Vectors a second, until all are in the graph."""
        import engram

        vectors = np.load(base)[:count]
        ids = [str(number) for number in range(len(vectors))]
        index = engram.Index(vectors.shape[1], metric=metric)
        begin = time.perf_counter()
        index.add(np.arange(len(vectors)), vectors, threads=threads)
        bare = time.perf_counter() - begin
        del index
        # All of it stays in the hot tier: what moves to the others is another question (benchmarks.tiers).
        policy = engram.ActivationPolicy(hot_bytes="16GB")
        config = engram.Config(threads=threads, policy=policy)
        with engram.open(
            Path(folder) / "store",
            dim=vectors.shape[1],
            metric=metric,
            config=config,
        ) as store:
            begin = time.perf_counter()
            store.store_many(ids, vectors)
            stored = time.perf_counter() - begin
            store.wait_indexed()
            indexed = time.perf_counter() - begin
            queue = store.stats()["queue"]
        return {
            "vectors": len(vectors),
            "bare_per_second": len(vectors) / bare,
            "stored_per_second": len(vectors) / stored,
            "indexed_per_second": len(vectors) / indexed,
            "share_of_bare": bare / indexed,
            "queue_most_bytes": queue["most_bytes"],
            "queue_capacity_bytes": queue["capacity_bytes"],
        }


def _keep_storing(store: Any, vectors: Floats, begin: int, stop: threading.Event, stored: list[int]) -> None:
    for number in range(begin, len(vectors)):
        if stop.is_set():
            return
        store.store(f"w{number}", vectors[number])
        stored[0] = number + 1


def _share(vectors: Floats, cues: Floats, metric: Metric, number: int, known: int, ids: list[str]) -> float:
    """recall@10 over all acknowledged before the call, pending or not; what came later is no miss."""
    found = [each for each in (int(id[1:]) for id in ids) if each < known][:K]
    return len(set(found) & set(_nearest(vectors[:known], cues[number], metric))) / K


def _nearest(vectors: Floats, cue: Floats, metric: Metric) -> list[int]:
    if metric == "l2":
        scores = ((vectors - cue) ** 2).sum(axis=1)
    else:
        scores = -(vectors @ cue)
        if metric == "cosine":
            scores = scores / np.linalg.norm(vectors, axis=1)
    return [int(number) for number in np.argpartition(scores, K)[:K]]
