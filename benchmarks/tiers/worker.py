"""What runs inside one process: a store laid out over the tiers, FAISS in RAM, a store under a limit."""

from __future__ import annotations

import os
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.installed import engram_version, installed
from benchmarks.common.process import allocated_bytes, resident_bytes
from benchmarks.tiers.life import Scale, Trace, run
from benchmarks.tiers.policies import Layout, contenders

K = 10
_BATCH = 20_000
_LIMITED_CACHE = 8 << 20


def allowed_bytes(hot: int, memories: int, page_cache: int) -> int:
    """What a store may take of memory: its budgets, 40 bytes a memory and 100 MB."""
    return hot + 40 * memories + page_cache + 100_000_000


class TiersWorker:
    """One part of the comparison in a process of its own, so that memory is its own."""

    def version(self) -> str:
        return engram_version()

    # -- figures 2 and 3

    def build(self, base: str, metric: Any, folder: str, hot: int, warm: int) -> dict[str, float]:
        """Stores all rows and lays them out by their numbers."""
        import engram

        vectors = np.load(base, mmap_mode="r")
        shutil.rmtree(folder, ignore_errors=True)
        config = engram.Config(policy=Layout(hot, warm), migration_interval=None)
        begin = time.perf_counter()
        with engram.open(folder, vectors.shape[1], metric=metric, fsync="never", config=config) as store:
            for at in range(0, len(vectors), _BATCH):
                rows = range(at, min(at + _BATCH, len(vectors)))
                store.store_many([str(row) for row in rows], np.array(vectors[at : at + _BATCH]))
                if at + _BATCH >= hot + warm:  # keep the graph in RAM small while the rest streams by
                    store.wait_indexed()
                    if (at // _BATCH) % 5 == 4:
                        store.migrate()
            store.wait_indexed()
            store.migrate()
            store.checkpoint()
            tiers = {tier: figures["memories"] for tier, figures in store.stats()["tiers"].items()}
        return {"seconds": time.perf_counter() - begin, **tiers}

    def measure(self, queries: str, folder: str, cold_cache: bool, answers: str) -> dict[str, Any]:
        """Opens the store, recalls one query at a time over all tiers, then in each tier alone."""
        import engram

        cues = np.load(queries)
        before = _anonymous_bytes()
        begin = time.perf_counter()
        config = engram.Config(migration_interval=None)
        with engram.open(folder, read_only=True, config=config) as store:
            opened = time.perf_counter() - begin
            labels = np.full((len(cues), K), -1, np.int64)
            whole = np.empty(len(cues))
            incomplete = 0
            for at, cue in enumerate(cues):
                if cold_cache:
                    _drop_page_cache(Path(folder))
                start = time.perf_counter()
                found = store.recall(cue, K)
                whole[at] = time.perf_counter() - start
                incomplete += not found.complete
                labels[at, : len(found)] = [int(id) for id in found.ids]
            np.save(answers, labels)
            alone: dict[str, list[float]] = {}
            if not cold_cache:
                alone = {tier: _percentiles(_times(store, cues, tier)) for tier in ("hot", "warm", "cold")}
            counted = store.stats()
            return {
                "open_seconds": opened,
                "whole_us": _percentiles(whole),
                "alone_us": alone,
                "incomplete": incomplete,
                "anonymous_bytes": _anonymous_bytes() - before,
                "page_cache_bytes": counted["page_cache"]["budget"],
                "hot_bytes": counted["tiers"]["hot"]["ram_bytes"],
                "memories": counted["memories"],
                "disk_bytes": allocated_bytes(Path(folder)),
                "catalog_bytes": sum(file.stat().st_size for file in Path(folder).glob("catalog.sqlite*")),
            }

    def faiss(self, base: str, queries: str, m: int, ef: int, answers: str) -> dict[str, Any]:
        """The same vectors in FAISS' graph, all in RAM."""
        version = installed("faiss-cpu", "faiss")
        import faiss

        vectors, cues = np.load(base), np.load(queries)
        before = _anonymous_bytes()
        index = faiss.IndexHNSWFlat(vectors.shape[1], m)
        begin = time.perf_counter()
        index.add(vectors)
        built = time.perf_counter() - begin
        taken = _anonymous_bytes() - before
        index.hnsw.efSearch = ef
        faiss.omp_set_num_threads(1)
        times, labels = np.empty(len(cues)), np.empty((len(cues), K), np.int64)
        for at, cue in enumerate(cues):
            start = time.perf_counter()
            labels[at] = index.search(cue[None], K)[1][0]
            times[at] = time.perf_counter() - start
        np.save(answers, labels)
        return {
            "version": version,
            "build_seconds": built,
            "whole_us": _percentiles(times),
            "anonymous_bytes": taken,
        }

    # -- figure 4

    def limited(self, base: str, folder: str, hot: str) -> dict[str, Any]:
        """Loads, reopens, recalls and updates a store ten times its RAM budget under a limit of memory.

        The limit is of what could be written, touched or not, so the stacks of threads count in full: the
        process that calls this wants a small one (`ulimit -s`).
        """
        import engram
        from engram._sizes import parse_size

        vectors = np.load(base, mmap_mode="r")
        shutil.rmtree(folder, ignore_errors=True)
        config = engram.Config(
            policy=engram.ActivationPolicy(hot_bytes=hot, warm_bytes=hot),
            page_cache_bytes=_LIMITED_CACHE,
            queue_capacity=8192,
            checkpoint_bytes="16MiB",
            compaction_bandwidth=None,
        )
        limit = _data_bytes() + allowed_bytes(parse_size(hot, "hot"), len(vectors), _LIMITED_CACHE)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        begin = time.perf_counter()
        with engram.open(folder, vectors.shape[1], metric="l2", fsync="never", config=config) as store:
            for at in range(0, len(vectors), 2000):
                rows = [str(row) for row in range(at, min(at + 2000, len(vectors)))]
                store.store_many(rows, np.array(vectors[at : at + 2000]))
        loaded = time.perf_counter() - begin
        begin = time.perf_counter()
        store = engram.open(folder, config=config)
        opened = time.perf_counter() - begin
        with store:
            drawn = np.random.default_rng(0)
            exact = 0
            for _ in range(1000):
                row = int(drawn.integers(len(vectors)))
                exact += store.recall(np.array(vectors[row]), 1)[0].distance == 0.0
                store.store(str(row), np.array(vectors[row]))
            tiers = {tier: figures["memories"] for tier, figures in store.stats()["tiers"].items()}
            trouble = store.stats()["migrations"]["trouble"]
        return {
            "limit_bytes": limit,
            "raw_bytes": 4 * vectors.size,
            "hot_budget": parse_size(hot, "hot"),
            "load_seconds": loaded,
            "open_seconds": opened,
            "found_itself": exact / 1000,
            "data_bytes": _data_bytes(),
            "tiers": tiers,
            "trouble": trouble,
        }

    # -- figure 5

    def life(self, policy: str, scale: dict[str, Any], folder: str) -> dict[str, Any]:
        """One policy's month."""
        size = Scale(**scale)
        return run(policy, contenders(budgets_of(size))[policy], Trace(size), Path(folder))


def budgets_of(scale: Scale) -> Any:
    """Tiers that hold the shares of a life's memories which it says."""
    import engram

    with engram.open(None, scale.dim) as store:
        row_bytes = store.population().hot_bytes
    hot = max(128 << 10, int(scale.hot_share * scale.memories * row_bytes))
    return engram.TierBudgets(hot, 3 * hot)


def _times(store: Any, cues: NDArray[np.float32], tier: str) -> NDArray[np.float64]:
    times = np.empty(len(cues))
    for at, cue in enumerate(cues):
        start = time.perf_counter()
        store.recall(cue, K, tiers=(tier,))
        times[at] = time.perf_counter() - start
    return times


def _percentiles(seconds: NDArray[np.float64]) -> list[float]:
    """P50, P95, P99 and the slowest, in microseconds."""
    return [1e6 * float(value) for value in np.percentile(seconds, (50, 95, 99, 100))]


def _drop_page_cache(folder: Path) -> None:
    """Has the system forget what it read of the cold tier; what is mapped of the others stays resident."""
    for file in folder.glob("seg-*.cold"):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def _anonymous_bytes() -> int:
    resident_bytes()  # gives freed memory back first
    return _status("RssAnon")


def _data_bytes() -> int:
    return _status("VmData")
