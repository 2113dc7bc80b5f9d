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
