"""Each figure, measured: what Engram does, what it is held against, and the ratio of the two.

The two take turns in short slices, so that what else goes on in the machine strikes both.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import engram
from benchmarks.common.installed import UnavailableError
from benchmarks.durable.adapters.base import Memory, Store
from benchmarks.durable.adapters.qdrant import QdrantEdge
from benchmarks.durable.adapters.sqlitevec import SqliteVec
from benchmarks.log.bare import Bare

DIM = 128
_BASE = np.random.default_rng(0).standard_normal((4096, DIM)).astype(np.float32)


@dataclass(frozen=True)
class Figure:
    what: str
    ours: str
    beside: str
    ratio: float
    asked: str


def vector(number: int) -> Any:
    return _BASE[number % len(_BASE)]


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder within `folder`, on the disk that is measured."""
    place = folder / "scratch"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _open(folder: Path, fsync: Literal["always", "never"] = "always", **config: Any) -> engram.MemoryStore:
    return engram.open(folder, DIM, metric="l2", fsync=fsync, config=engram.Config(**config))


def _by_threads(threads: int, work: Callable[[int], None]) -> float:
    """Seconds until `threads` threads have done it, from the instant they all begin."""
    barrier = threading.Barrier(threads + 1)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(threads) as pool:  # leaving it waits for them, whatever happened
        try:
            running = [pool.submit(run, number) for number in range(threads)]
            barrier.wait()
            begin = time.perf_counter()
            for one in running:
                one.result()
            return time.perf_counter() - begin
        except BaseException:
            barrier.abort()  # an interrupt: who waits there would wait for ever
            raise


def writers(folder: Path, threads: int, asked: str) -> Figure:
    """Python threads that store one memory at a time, beside bare syncs one after another."""
    slices, bare_pieces, each = 20, 100, 1600 // (4 * threads) if threads > 1 else 100
    with scratch(folder) as place, _open(place / "store") as store:
        bare = Bare(place / "bare", bare_pieces * (slices + 1))
        ours = theirs = 0.0
        for turn in range(slices + 1):

            def work(thread: int, turn: int = turn) -> None:
                for number in range(each):
                    store.store(f"m{turn}-{thread}-{number}", vector(number), content="a short text")

            took, bare_took = _by_threads(threads, work), sum(bare.run(bare_pieces))
            store.wait_indexed()
            if turn > 0:  # the first warms both
                ours, theirs = ours + took, theirs + bare_took
        bare.close()
    our_rate, bare_rate = slices * threads * each / ours, slices * bare_pieces / theirs
    name = "one writer" if threads == 1 else f"{threads} Python threads"
    return Figure(
        f"{name}, always", f"{our_rate:,.0f} /s", f"bare {bare_rate:,.0f} /s", our_rate / bare_rate, asked
    )


def native(folder: Path, program: Path, rounds: int) -> list[Figure]:
    """The log without Python, by wal_bench."""
    with scratch(folder) as place:
        done = subprocess.run(
            [str(program), str(place), str(rounds)], capture_output=True, text=True, check=True
        )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    rows = (
        ("one", "one writer, always, without Python", "0.85"),
        ("sixteen", "16 native threads, always", "12"),
        ("batches", "store_many of 1,000, log only", "0.5"),
    )
    figures = []
    for name, what, asked in rows:
        ours, bare, ratio = (
            statistics.median(round[name][kind] for round in found) for kind in ("log", "bare", "ratio")
        )
        figures.append(Figure(what, f"{ours:,.0f} /s", f"bare {bare:,.0f} /s", ratio, asked))
    return figures


def _rival(kind: type[Store], folder: Path) -> Store:
    kind.version()  # raises UnavailableError where it is not
    folder.mkdir()
    rival = kind(folder, DIM, "l2")
    rival.create()
    return rival


def beside_rival(
    folder: Path, kind: type[Store], fsync: Literal["always", "never"], each: int, asked: str
) -> Figure:
    """One memory a call, from one thread, beside another store's insert."""
    slices = 10
    with scratch(folder) as place:
        rival = _rival(kind, place / "rival")
        ours: list[float] = []
        theirs: list[float] = []
        with _open(place / "store", fsync) as store:
            for turn in range(slices + 1):
                memories = [Memory(turn * each + number, vector(number)) for number in range(each)]
                begin = time.perf_counter()
                for memory in memories:
                    store.store(
                        memory.id,
                        memory.vector,
                        content=memory.text,
                        metadata={"number": memory.number},
                    )
                middle = time.perf_counter()
                for memory in memories:
                    rival.insert(memory)
                end = time.perf_counter()
                store.wait_indexed()
                ours.append(middle - begin)
                theirs.append(end - middle)
        rival.close()
    our_rate, their_rate = (each / statistics.median(took[1:]) for took in (ours, theirs))
    return Figure(
        f"one store at a time, {fsync}",
        f"{our_rate:,.0f} /s",
        f"{kind.name} {their_rate:,.0f} /s",
        our_rate / their_rate,
        asked,
    )


def tail(folder: Path) -> Figure:
    """The 99th percentile of store with four writers while two threads recall, beside that of bare syncs."""
    each = 1500
    with scratch(folder) as place, _open(place / "store") as store:
        store.store_many([f"p{number}" for number in range(4096)], _BASE, fsync="never")
        store.wait_indexed()
        bare = Bare(place / "bare", each)
        bare_p99 = float(np.percentile(bare.run(each), 99))
        bare.close()
        stop = threading.Event()

        def recall() -> None:
            number = 0
            while not stop.is_set():
                store.recall(vector(number), k=10)
                number += 1

        recalling = [threading.Thread(target=recall) for _ in range(2)]
        for thread in recalling:
            thread.start()
        took: list[list[float]] = [[] for _ in range(4)]

        def work(thread: int) -> None:
            clock = time.perf_counter
            for number in range(each):
                begin = clock()
                store.store(f"w{thread}-{number}", vector(number), content="a short text")
                took[thread].append(clock() - begin)

        try:
            _by_threads(4, work)
        finally:
            stop.set()
            for thread in recalling:
                thread.join()
    p99 = float(np.percentile(np.concatenate(took), 99))
    return Figure(
        "P99 of store, 4 writers, recalls beside",
        f"{1e3 * p99:.2f} ms",
        f"bare P99 {1e3 * bare_p99:.2f} ms",
        p99 / bare_p99,
        "under 4, and under 10 ms",
    )


def recovery(folder: Path, count: int) -> Figure:
    """Opening a store with all of it in the log, beside reading the log and building the same graph."""
    vectors = np.random.default_rng(1).standard_normal((count, DIM)).astype(np.float32)
    with scratch(folder) as place:
        with _open(place / "store", "never", checkpoint_bytes=None) as store:
            store.store_many([f"m{number}" for number in range(count)], vectors)
            store.close(drain=False)
        begin = time.perf_counter()
        with _open(place / "store", checkpoint_bytes=None) as store:
            store.wait_indexed()
            ours = time.perf_counter() - begin
            assert len(store) == count
            store.close(drain=False)
        begin = time.perf_counter()
        for file in sorted((place / "store" / "wal").iterdir()):
            file.read_bytes()
        index = engram.Index(DIM, "l2")
        index.add(np.arange(count), vectors)
        beside = time.perf_counter() - begin
    return Figure(
        f"recovery of {count:,} memories",
        f"{ours:.2f} s",
        f"read and insert {beside:.2f} s",
        ours / beside,
        "at most 1.3",
    )


def reopening(folder: Path, count: int) -> list[Figure]:
    """Opening after a clean close: with `count` memories, and again after as many were replaced once more."""
    figures = []
    vectors = np.random.default_rng(2).standard_normal((count, DIM)).astype(np.float32)
    ids = [f"m{number}" for number in range(count)]
    with scratch(folder) as place:
        first = 0.0
        for turn, what in enumerate(("stored once", "a tenth stored again")):
            with _open(place / "store", "never") as store:
                part = slice(None) if turn == 0 else slice(count // 10)
                store.store_many(ids[part], vectors[part])
                store.wait_indexed()
                store.checkpoint()
            logged = sum(file.stat().st_size for file in (place / "store" / "wal").iterdir())
            took = []
            for _ in range(3):
                begin = time.perf_counter()
                store = _open(place / "store")
                took.append(time.perf_counter() - begin)
                store.close()
            seconds = statistics.median(took)
            first = first or seconds
            figures.append(
                Figure(
                    f"open after a clean close, {count:,} {what}",
                    f"{seconds:.2f} s",
                    f"log of {logged >> 20} MiB left",
                    seconds / first,
                    "under 1 s, flat",
                )
            )
    return figures


def measure(folder: Path, only: set[str], program: Path | None, rounds: int, size: int) -> list[Figure]:
    """All figures, or those of the parts named in `only`."""
    figures: list[Figure] = []
    parts: dict[str, Callable[[], Figure | list[Figure]]] = {
        "one": lambda: writers(folder, 1, "0.85"),
        "sixteen": lambda: writers(folder, 16, "5"),
        "native": lambda: native(folder, program, rounds) if program else [],
        "never": lambda: beside_rival(folder, QdrantEdge, "never", 2000, "1.5"),
        "sqlite": lambda: beside_rival(folder, SqliteVec, "always", 200, "1.5"),
        "tail": lambda: tail(folder),
        "recovery": lambda: recovery(folder, size // 10),
        "open": lambda: reopening(folder, size),
    }
    for name, part in parts.items():
        if only and name not in only:
            continue
        try:
            found = part()
        except UnavailableError as error:
            print(f"missing: {error}")
            continue
        figures += found if isinstance(found, list) else [found]
        os.sync()  # what one leaves behind is not the next one's
    return figures
