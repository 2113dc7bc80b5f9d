"""What runs inside one setting's process: threads that store, each call timed, and threads that recall."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import engram_version

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = NDArray[np.float32]


class QueueWorker:
    """One setting: a sync mode, a way of indexing, a number of writers."""

    def version(self) -> str:
        return engram_version()

    def measure(
        self,
        base: str,
        metric: str,
        folder: str,
        fsync: str,
        indexing: str,
        writers: int,
        prefill: int,
        seconds: float,
        rate: float,
        recalls: int = 0,
    ) -> dict[str, Any]:
        """Fill a store, then store from all writers at once for ``seconds``; then wait for the index.

        ``rate``: calls a second of each writer, at fixed instants; 0: as fast as the calls return.
        ``recalls``: threads that recall all the while. The first ``queue_capacity`` stores are the burst,
        which the queue may take whole; what comes after them is sustained.
        """
        import engram

        vectors = np.load(base)
        mode = cast("Literal['always', 'interval', 'never']", fsync)
        config = engram.Config(indexing=cast("Literal['async', 'sync']", indexing))
        kind = cast("Literal['cosine', 'l2', 'ip']", metric)
        with engram.open(
            Path(folder) / "store", dim=vectors.shape[1], metric=kind, fsync=mode, config=config
        ) as store:
            fill(store, vectors[:prefill])
            with Recalling(store, vectors[: max(1, prefill)], recalls) as recalling:
                times, stored, indexed = _store(store, vectors, prefill, writers, seconds, rate)
            share = config.queue_capacity // writers
            burst = np.concatenate([part[:share] for part in times])
            sustained = np.concatenate([part[share:] for part in times])
            lag = store.stats()["latency"]["index_lag"]
        count = len(burst) + len(sustained)
        return {
            "stores": count,
            "per_second": count / stored,
            **percentiles(burst),
            "burst_stores": len(burst),
            **{f"sustained_{name}": value for name, value in percentiles(sustained).items()},
            **{f"recall_{name}": value for name, value in percentiles(recalling.times()).items()},
            "index_lag_seconds": indexed - stored,
            "memory_lag_p50_seconds": 1e-6 * lag["p50_us"],
            "memory_lag_p99_seconds": 1e-6 * lag["p99_us"],
            "indexed_per_second": count / indexed,
        }


class Recalling:
    """Threads that recall until the end of a ``with``, each call timed."""

    def __init__(self, store: Any, cues: Floats, threads: int) -> None:
        self._store = store
        self._cues = cues
        self._stop = threading.Event()
        self._times: list[list[float]] = [[] for _ in range(threads)]
        self._threads = [threading.Thread(target=self._recall, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def times(self) -> NDArray[np.float64]:
        """Seconds of every call of every thread."""
        return np.concatenate([np.empty(0), *[np.array(part) for part in self._times]])

    def _recall(self, number: int) -> None:
        rng, clock = np.random.default_rng(number), time.perf_counter
        while not self._stop.is_set():
            cue = int(rng.integers(len(self._cues)))
            begin = clock()
            answer = self._recall_one(cue)
            self._times[number].append(clock() - begin)
            self._recalled(cue, answer)

    def _recall_one(self, cue: int) -> Any:
        return self._store.recall(self._cues[cue], k=10)

    def _recalled(self, cue: int, answer: Any) -> None:
        """After the clock: whoever keeps answers does it here."""


def fill(store: Any, vectors: Floats) -> None:
    """Put what is there beforehand into a store, indexed and synced."""
    if len(vectors):
        store.store_many([f"p{number}" for number in range(len(vectors))], vectors, fsync="never")
        store.wait_indexed()
        store.flush()


def percentiles(times: NDArray[np.float64]) -> dict[str, float]:
    """Of seconds, in microseconds; 0 where there are none."""
    if not len(times):
        return {"p50_us": 0.0, "p95_us": 0.0, "p99_us": 0.0, "most_us": 0.0}
    p50, p95, p99, most = (1e6 * float(value) for value in np.percentile(times, (50, 95, 99, 100)))
    return {"p50_us": p50, "p95_us": p95, "p99_us": p99, "most_us": most}


def _store(
    store: Any, vectors: Floats, prefill: int, writers: int, seconds: float, rate: float
) -> tuple[list[NDArray[np.float64]], float, float]:
    """The seconds of each writer's calls, and how long storing and indexing took."""
    barrier = threading.Barrier(writers + 1)
    times: list[list[float]] = [[] for _ in range(writers)]
    threads = [
        threading.Thread(
            target=_write,
            args=(store, vectors[prefill:], number, writers, seconds, rate, barrier, times[number]),
        )
        for number in range(writers)
    ]
    for thread in threads:
        thread.start()
    barrier.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    stored = time.perf_counter() - begin
    store.wait_indexed()
    return [np.array(part) for part in times], stored, time.perf_counter() - begin


def _write(
    store: Any,
    vectors: Floats,
    writer: int,
    writers: int,
    seconds: float,
    rate: float,
    barrier: threading.Barrier,
    times: list[float],
) -> None:
    clock = time.perf_counter
    barrier.wait()
    begin = clock()
    for count, number in enumerate(range(writer, len(vectors), writers)):
        due = begin + count / rate if rate else 0.0
        while (now := clock()) < due:
            time.sleep(max(0.0, due - now))
        if now - begin > seconds:
            return
        store.store(f"w{number}", vectors[number], metadata={"number": number})
        # Against a fixed rate a late start counts as waiting: the program that stores waits as well.
        times.append(clock() - (due or now))
