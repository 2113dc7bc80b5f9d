"""The indexer goes on after failures, says so, and loses nothing."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram


class Failing:
    """Stands before a catalog and fails when told to."""

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self.failing = True
        self.calls = 0

    def apply(self, *args: Any) -> None:
        self.calls += 1
        if self.failing:
            raise engram.OutOfSpace("no room for the catalog")
        self.catalog.apply(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.catalog, name)


class Waiting:
    """Stands before a catalog and lets nothing through until told."""

    def __init__(self, catalog: Any, go_on: threading.Event) -> None:
        self.catalog = catalog
        self.go_on = go_on

    def apply(self, *args: Any) -> None:
        assert self.go_on.wait(60)
        self.catalog.apply(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.catalog, name)


@pytest.fixture(params=["async", "sync"])
def failing(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[engram.MemoryStore, Failing]]:
    config = engram.Config(indexing=request.param, queue_capacity=20)
    store = engram.open(folder, 4, metric="l2", config=config)
    catalog = Failing(store._parts.catalog)
    store._parts.indexer._catalog = catalog
    yield store, catalog
    store.close()


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_failing_batch_is_tried_again_and_recalled_meanwhile(
    failing: tuple[engram.MemoryStore, Failing],
) -> None:
    store, catalog = failing
    for row in range(10):
        store.store(str(row), [row, 1, 1, 1], content=f"text {row}")

    assert len(store) == 10
    assert store.recall([3, 1, 1, 1], k=1)[0].content == "text 3"
    if store.stats()["indexer"]["mode"] == "async":
        wait_for(lambda: catalog.calls >= 3)
    assert store.stats()["indexer"]["failures"] >= 3
    assert "no room" in store.stats()["indexer"]["trouble"]
    with pytest.raises(engram.EngramError, match="no room"):
        store.wait_indexed(timeout=30)
    assert store.recall([3, 1, 1, 1], k=1)[0].content == "text 3"

    catalog.failing = False
    store.store("after", [0, 0, 0, 0])
    wait_for(lambda: store.stats()["indexer"]["trouble"] is None)
    assert store.wait_indexed(timeout=30)
    assert len(store) == 11
    store.verify()


def test_a_full_queue_says_why_it_stays_full(failing: tuple[engram.MemoryStore, Failing]) -> None:
    store, catalog = failing

    for row in range(20):
        store.store(str(row), [row, 1, 1, 1])
    with pytest.raises(engram.QueueFull, match="no room"):
        store.store("20", [20, 1, 1, 1])
    with pytest.raises(engram.QueueFull, match="no room"):
        store.store_many(["x", "y"], np.ones((2, 4)))
    with pytest.raises(engram.QueueFull, match="no room"):
        store.forget("3")

    assert sorted(store, key=int) == [str(row) for row in range(20)]
    catalog.failing = False


def test_a_full_queue_is_waited_for_only_so_long(folder: Path) -> None:
    with engram.open(folder, 4, config=engram.Config(queue_capacity=10)) as store:
        go_on = threading.Event()
        store._parts.indexer._catalog = Waiting(store._parts.catalog, go_on)

        for row in range(10):
            store.store(str(row), [row, 1, 1, 1], timeout=0.2)
        with pytest.raises(engram.QueueFull, match=r"queue_capacity.*0\.2 s"):
            store.store("10", [10, 1, 1, 1], timeout=0.2)
        with pytest.raises(engram.QueueFull, match=r"queue_capacity.*0\.2 s"):
            store.forget("3", timeout=0.2)
        assert store.forget("no such", timeout=0) is None

        assert sorted(store, key=int) == [str(row) for row in range(10)]
        go_on.set()
        store.store("more", [1, 1, 1, 1])
        assert len(store) == 11


def test_a_failure_is_logged_for_programs_that_listen(
    failing: tuple[engram.MemoryStore, Failing], caplog: pytest.LogCaptureFixture
) -> None:
    store, catalog = failing
    with caplog.at_level(logging.ERROR, logger="engram"):
        for row in range(5):  # as many as go into the catalog at once, a quarter of the queue
            store.store(str(row), [1, 1, 1, 1])
        wait_for(lambda: caplog.records)
    assert "no room" in caplog.text
    catalog.failing = False


def test_closing_leaves_to_the_log_what_cannot_be_indexed(folder: Path) -> None:
    store = engram.open(folder, 4, metric="l2")
    store._parts.indexer._catalog = Failing(store._parts.catalog)
    store.store_many([str(row) for row in range(100)], np.random.default_rng(0).standard_normal((100, 4)))
    store.close()

    with engram.open(folder) as again:
        assert len(again) == 100
        again.verify()


def test_the_catalog_is_never_ahead_of_what_is_synced(folder: Path) -> None:
    with engram.open(folder, 4, fsync="never") as store:
        native, catalog = store._parts.native, store._parts.catalog
        for row in range(300):
            store.store(str(row % 20), np.random.default_rng(row).standard_normal(4))
            assert catalog.applied <= native.synced_lsn
        store.wait_indexed()
        assert catalog.applied <= native.synced_lsn


def test_a_store_dropped_within_its_own_indexer_closes_all_the_same(folder: Path) -> None:
    """The garbage collector may run in any thread, in the indexer's as well."""
    dropped = threading.Event()

    class Dropping(Waiting):
        def apply(self, *args: Any) -> None:
            super().apply(*args)
            holder.clear()
            gc.collect()
            dropped.set()

    holder = [engram.open(folder, 4)]
    go_on = threading.Event()
    indexer = holder[0]._parts.indexer
    indexer._catalog = Dropping(indexer._catalog, go_on)
    holder[0].store("a", [1, 2, 3, 4])
    go_on.set()

    assert dropped.wait(30)
    assert indexer._thread is not None
    indexer._thread.join(30)
    assert not indexer.alive
    with engram.open(folder) as store:
        assert list(store) == ["a"]


class Refusing:
    """Stands before a native store and refuses to index what holds some id, or anything."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.refusing = True
        self.refused = 0

    def index(self, batch: Any, background: bool) -> None:
        if self.refusing:
            self.refused += 1
            raise MemoryError("no room in the graph")
        self.store.index(batch, background=background)

    def retry_aside(self) -> int:
        count: int = self.store.aside if self.refusing else self.store.retry_aside()
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_a_batch_that_cannot_be_indexed_is_set_aside_and_recalled(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The native store indexes what it can of a batch set aside: here, all of it."""
    store = engram.open(folder, 4, metric="l2")
    indexer = store._parts.indexer
    indexer._store = refusing = Refusing(indexer._store)  # type: ignore[assignment]

    with caplog.at_level(logging.ERROR, logger="engram"):
        store.store("a", [1, 1, 1, 1], content="text")
        wait_for(lambda: store.stats()["indexer"]["batches"] == 1)

    assert refusing.refused == 3
    assert store.stats()["indexer"]["failures"] == 3
    assert [record.event for record in caplog.records] == ["batch.failed", "batch.set_aside"]  # type: ignore[attr-defined]
    assert store.recall([1, 1, 1, 1])[0].content == "text"
    assert store.stats()["indexer"]["trouble"] is None
    assert store.wait_indexed(timeout=30)
    store.close()
    with engram.open(folder) as again:
        again.verify()
        assert list(again) == ["a"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_indexer_that_died_is_noticed_and_another_goes_on(folder: Path) -> None:
    class Deadly(Waiting):
        def apply(self, *args: Any) -> None:
            indexer._catalog = self.catalog
            raise SystemExit  # what no thread survives

    with engram.open(folder, 4, config=engram.Config(queue_capacity=10)) as store:
        indexer = store._parts.indexer
        indexer._catalog = Deadly(indexer._catalog, threading.Event())
        first = indexer._thread
        assert first is not None

        store.store("a", [1, 2, 3, 4], content="text")
        first.join(30)
        assert not first.is_alive()
        assert store.recall([1, 2, 3, 4])[0].content == "text"
        for row in range(50):  # more than the queue holds
            store.store(str(row), [row, 1, 1, 1])

        assert store.wait_indexed(timeout=30)
        assert store.stats()["indexer"]["restarts"] == 1
        assert store.stats()["indexer"]["alive"]
        assert len(store) == 51
        store.verify()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_for_room_is_woken_when_the_indexer_dies(folder: Path) -> None:
    go_on = threading.Event()

    class Deadly(Waiting):
        def apply(self, *args: Any) -> None:
            indexer._catalog = self.catalog
            assert go_on.wait(30)
            raise SystemExit

    with engram.open(folder, 4, config=engram.Config(queue_capacity=2)) as store:
        indexer = store._parts.indexer
        indexer._catalog = Deadly(indexer._catalog, go_on)
        waiting = threading.Thread(
            target=lambda: [store.store(str(row), [row, 1, 1, 1]) for row in range(20)]
        )
        waiting.start()
        wait_for(lambda: store.stats()["queue"]["memories"] == 2)
        go_on.set()
        waiting.join(30)
        assert not waiting.is_alive()
        assert len(store) == 20


def test_the_queue_stays_within_its_bytes(folder: Path) -> None:
    config = engram.Config(queue_capacity=10_000, queue_bytes="256KiB", batch_bytes="1MiB")
    vectors = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    pieces: list[int] = []
    with engram.open(folder, 64, config=config, fsync="never") as store:
        store.store_many(
            [str(row) for row in range(3000)], vectors, progress=lambda done, _: pieces.append(done)
        )
        queue = store.stats()["queue"]
        assert 0 < queue["most_bytes"] <= 256 * 1024
        assert queue["most_memories"] < 10_000
        assert len(pieces) > 3000 * 64 * 4 / (128 * 1024)
        assert pieces[-1] == 3000
        assert store.wait_indexed(timeout=60)
        store.verify()


def test_a_piece_of_store_many_is_no_larger_than_the_queue(folder: Path) -> None:
    pieces: list[int] = []
    with engram.open(folder, 4, config=engram.Config(queue_capacity=7), fsync="never") as store:
        store.store_many(
            [str(row) for row in range(50)], np.ones((50, 4)), progress=lambda done, _: pieces.append(done)
        )
        assert pieces == [7, 14, 21, 28, 35, 42, 49, 50]
        assert store.stats()["queue"]["most_memories"] <= 7
