"""What runs inside one setting's process: several threads that store, each call timed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import engram_version


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
    ) -> dict[str, Any]:
        """Fill a store, then store from all writers at once for ``seconds``; then wait for the index.

        ``rate``: calls a second of each writer, at fixed instants; 0: as fast as the calls return.
        """
        import engram

        vectors = np.load(base)
        mode = cast("Literal['always', 'interval', 'never']", fsync)
        config = engram.Config(indexing=cast("Literal['async', 'sync']", indexing))
        kind = cast("Literal['cosine', 'l2', 'ip']", metric)
        with engram.open(
            Path(folder) / "store", dim=vectors.shape[1], metric=kind, fsync=mode, config=config
        ) as store:
            if prefill:
                store.store_many(
                    [f"p{number}" for number in range(prefill)], vectors[:prefill], fsync="never"
                )
                store.wait_indexed()
                store.flush()
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
            indexed = time.perf_counter() - begin
        every = np.concatenate([np.array(part) for part in times])
        p50, p95, p99, most = (1e6 * float(value) for value in np.percentile(every, (50, 95, 99, 100)))
        return {
            "stores": len(every),
            "per_second": len(every) / stored,
            "p50_us": p50,
            "p95_us": p95,
            "p99_us": p99,
            "most_us": most,
            "index_lag_seconds": indexed - stored,
            "indexed_per_second": len(every) / indexed,
        }


def _write(
    store: Any,
    vectors: NDArray[np.float32],
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
