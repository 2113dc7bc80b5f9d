"""The program's own code, called from within a store's work, asks it for more: nothing waits for itself."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import engram
from engram import Plan, Population, TierBudgets
from tests.tiered import DIM, UNHURRIED, config, everything, open_filled, wait_for

Call = Callable[[engram.MemoryStore], object]

WAITING: dict[str, Call] = {
    "migrate": lambda store: store.migrate(),
    "checkpoint": lambda store: store.checkpoint(),
    "wait_indexed": lambda store: store.wait_indexed(timeout=30),
    "wait": lambda store: store.wait(0, "indexed"),
    "verify": lambda store: store.verify(),
    "forget": lambda store: store.forget("m1"),
    "close": lambda store: store.close(),
    "close without draining": lambda store: store.close(drain=False),
}


def ended(call: Callable[[], object]) -> object:
    """What a call came to, its error included; fails when it hangs."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(call())
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert came, "it hangs"
    return came[0]


class Asking:
    """A policy, a clock or a log handler that asks the store for something, once."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.store: engram.MemoryStore | None = None
        self.came: list[object] = []

    def ask(self) -> None:
        store, self.store = self.store, None
        if store is not None:
            try:
                self.came.append(self.call(store))
            except BaseException as error:
                self.came.append(error)

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        self.ask()
        return Plan.nothing()

    def __call__(self) -> float:
        self.ask()
        return time.time()

    def refused(self) -> bool:
        (error,) = self.came
        return isinstance(error, engram.EngramError) and "would wait for itself" in str(error)


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("interval", [None, "10ms"], ids=["in migrate", "in its thread"])
def test_a_policy_that_waits_for_its_own_migration_is_refused(
    folder: Path, call: Call, interval: str | None
) -> None:
    policy = Asking(call)
    store = open_filled(folder, config(policy, interval=interval), 50)
    try:
        policy.store = store
        if interval is None:
            assert isinstance(ended(store.migrate), engram.MigrationReport)
        wait_for(lambda: bool(policy.came))

        assert policy.refused(), policy.came
        assert len(everything(store)) == 50
        assert isinstance(ended(store.migrate), engram.MigrationReport)
    finally:
        ended(store.close)
    engram.open(folder).close()  # nothing keeps its lock


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING)
def test_a_clock_that_waits_for_the_migration_that_asks_it_is_refused(folder: Path, call: Call) -> None:
    clock = Asking(call)
    store = open_filled(folder, config(Asking(lambda _: None), clock), 50)
    clock.store = store
    assert isinstance(ended(store.migrate), engram.MigrationReport)
    assert clock.refused(), clock.came
    ended(store.close)
    engram.open(folder).close()


@pytest.fixture
def listening() -> Iterator[Callable[[str, Asking], None]]:
    """Has somebody asked whenever an event is logged."""
    log, before = logging.getLogger("engram"), logging.getLogger("engram").level
    handlers = []

    def listen(event: str, asking: Asking) -> None:
        handler = logging.Handler()
        handler.emit = lambda record: asking.ask() if record.__dict__["event"] == event else None  # type: ignore[method-assign]
        handlers.append(handler)
        log.addHandler(handler)
        log.setLevel(logging.INFO)

    yield listen
    for handler in handlers:
        log.removeHandler(handler)
    log.setLevel(before)


@pytest.mark.parametrize("call", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("taken", ["by the caller", "by the indexer"])
def test_a_log_handler_that_waits_for_what_it_is_told_of_is_refused(
    folder: Path, listening: Callable[[str, Asking], None], call: Call, taken: str
) -> None:
    asking = Asking(call)
    listening("checkpoint.taken", asking)
    settings = engram.Config(checkpoint_bytes=None if taken == "by the caller" else 4096)
    store = engram.open(folder, DIM, fsync="never", config=settings)
    asking.store = store
    rows = np.random.default_rng(0).standard_normal((500, DIM))
    texts = ["much text " * 2000] * 500  # so that the log outgrows the graph
    assert isinstance(ended(lambda: store.store_many(map(str, range(500)), rows, contents=texts)), int)
    if taken == "by the caller":
        assert isinstance(ended(store.checkpoint), int)
    wait_for(lambda: bool(asking.came))

    assert asking.refused(), asking.came
    assert ended(lambda: store.wait_indexed(timeout=30)) is True
    ended(store.close)
    with engram.open(folder) as again:
        assert len(again) == 500


def test_a_policy_that_stores_into_a_full_queue_is_not_left_waiting(folder: Path) -> None:
    """The indexer waits for the migration that makes room, so nobody empties the queue meanwhile."""
    policy = Asking(lambda store: [store.store(f"p{row}", np.ones(DIM), timeout=0.1) for row in range(100)])
    settings = engram.Config(policy=policy, migration_interval=None, queue_capacity=64, budgets=UNHURRIED)
    with open_filled(folder, settings, 50) as store:
        policy.store = store
        with store._parts.indexer._working:  # nothing is indexed meanwhile
            assert isinstance(ended(store._parts.migrator.run), engram.MigrationReport)
        (error,) = policy.came
        assert isinstance(error, engram.QueueFull)
        assert "would wait for itself" in str(error)
        assert store.wait_indexed(timeout=30)
        assert 50 <= len(store) < 150


def test_what_a_policy_may_ask_is_answered(folder: Path) -> None:
    def look(store: engram.MemoryStore) -> object:
        assert store.get("m1") is not None
        store.store("new", np.ones(DIM))
        store.flush()
        return store.recall(np.ones(DIM), k=3).ids, len(store), len(store.population()), store.stats()

    policy = Asking(look)
    with open_filled(folder, config(policy), 50) as store:
        policy.store = store
        assert isinstance(ended(store.migrate), engram.MigrationReport)
        (came,) = policy.came
        assert isinstance(came, tuple), came
        assert came[1] == 51


def test_progress_may_wait_and_close(folder: Path) -> None:
    settings = engram.Config(batch_bytes=4096)
    store = engram.open(folder, DIM, fsync="never", config=settings)
    done: list[int] = []

    def progress(stored: int, count: int) -> None:
        done.append(stored)
        store.wait_indexed()
        store.checkpoint()
        if len(done) == 2:
            store.close()

    came = ended(lambda: store.store_many(map(str, range(1000)), np.ones((1000, DIM)), progress=progress))

    assert isinstance(came, engram.StoreClosed)
    assert came.stored == done[-1]
    with engram.open(folder) as again:
        assert len(again) == done[-1]


def test_a_signal_handler_that_closes_during_a_checkpoint_is_refused(folder: Path) -> None:
    """The thread that it interrupts holds what close would wait for."""
    came: list[BaseException] = []

    def close(number: int, frame: object) -> None:
        try:
            store.close()
        except engram.EngramError as error:
            came.append(error)

    store = engram.open(folder, DIM)
    store.store("a", np.ones(DIM))
    before = signal.signal(signal.SIGUSR1, close)
    try:
        with store._parts.indexer.paused():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    (error,) = came
    assert "would wait for itself" in str(error)
    store.checkpoint()
    store.close()


def test_a_log_handler_may_store_what_it_is_told_of(
    folder: Path, listening: Callable[[str, Asking], None]
) -> None:
    asking = Asking(lambda store: store.store("told", np.ones(DIM)))
    listening("checkpoint.taken", asking)
    with engram.open(folder, DIM, config=engram.Config(indexing="sync")) as store:
        store.store("a", np.ones(DIM))
        asking.store = store
        assert isinstance(ended(store.checkpoint), int)
        assert isinstance(asking.came[0], int), asking.came
        assert store.recall(np.ones(DIM), k=2).ids == ["a", "told"]
        store.store("b", np.ones(DIM))
        assert store.wait_indexed(timeout=30)
        store.verify()


# A signal at each step of Python within set(), whose handler sets the same flag while a thread waits for it.
_SET_IN_A_HANDLER = """
import signal, threading
from engram._flag import Flag

def handle(number, frame):
    flag.set()

def trace(frame, event, _):
    global step
    frame.f_trace_opcodes = True
    if event == "opcode":
        step += 1
        if step == at:
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
    return trace

import sys
signal.signal(signal.SIGUSR1, handle)
at, step = 0, 0
while step >= at:
    at, step, flag, heard = at + 1, 0, Flag(), []
    waiter = threading.Thread(target=lambda: heard.append(flag.wait(60)))
    waiter.start()
    sys.settrace(trace)
    flag.set()
    sys.settrace(None)
    waiter.join()
    assert heard == [True] and flag.is_set()
print(at)
"""


def test_a_signal_handler_may_set_a_flag_that_is_being_set() -> None:
    """As a store does that wakes the migrator, and a handler that stores as well."""
    done = subprocess.run(
        [sys.executable, "-c", _SET_IN_A_HANDLER], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20, done.stdout
