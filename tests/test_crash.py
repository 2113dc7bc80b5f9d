"""A writer is killed at a random instant: what it was told is stored is there, and nothing else."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import engram
from tests.crash_script import DIM, Operation, operations

ROUNDS = int(os.environ.get("ENGRAM_CRASH_ROUNDS", "30"))
SEED = int(os.environ.get("ENGRAM_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
THREADS = 4


@dataclass
class Killed:
    """What is known of a program that was killed."""

    said: list[str]
    acknowledged: dict[int, int] = field(default_factory=dict)  # thread -> how many operations

    @property
    def opened(self) -> bool:
        return "opened" in self.said


def run_and_kill(folder: Path, seed: int, threads: int, seconds: float, after: str = "opening") -> Killed:
    """Starts the writer and kills it so long after it said `after`."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash_child", str(folder), str(seed), str(threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        text=True,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    said: list[str] = []
    started = threading.Event()

    def listen() -> None:
        for line in child.stdout or ():
            said.append(line.strip())
            if line.strip() == after:
                started.set()
        started.set()

    listener = threading.Thread(target=listen)
    listener.start()
    started.wait()
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    listener.join()
    complaint = child.stderr.read()
    assert child.wait() == -signal.SIGKILL, complaint
    child.stdout.close()
    child.stderr.close()
    killed = Killed(said)
    for line in said:
        if line.startswith("["):
            thread, number = json.loads(line)
            assert number == killed.acknowledged.get(thread, 0), "operations were acknowledged out of order"
            killed.acknowledged[thread] = number + 1
    return killed


class Expected:
    """What the ids may hold: all that was acknowledged, and of the operation after it all or nothing."""

    def __init__(self) -> None:
        self.sure: dict[str, Operation | None] = {}
        self.maybe: list[Operation] = []

    def add(self, seed: int, killed: Killed, threads: int) -> None:
        self.maybe = []
        for thread in range(threads):
            count = killed.acknowledged.get(thread, 0)
            for operation in islice(operations(seed, thread), count):
                for id in operation.ids:
                    self.sure[id] = None if operation.forgets else operation
            if killed.opened:
                self.maybe.append(next(islice(operations(seed, thread), count, None)))

    def settle(self, store: engram.MemoryStore) -> None:
        """Decides for each operation under way whether it took place: whole or not at all."""
        for operation in self.maybe:
            took_place = [self._holds(store, id, operation) for id in operation.ids]
            before = [self._holds(store, id, self.sure.get(id)) for id in operation.ids]
            assert all(took_place) or all(before), (
                f"half of operation {operation.number} is there: {operation.ids}"
            )
            if all(took_place):
                for id in operation.ids:
                    self.sure[id] = None if operation.forgets else operation
        self.maybe = []

    def check(self, store: engram.MemoryStore) -> None:
        alive = {id for id, operation in self.sure.items() if operation is not None}
        assert set(store) == alive
        assert len(store) == len(alive)
        for id, operation in self.sure.items():
            assert self._holds(store, id, operation), f"{id} is not what operation {operation} made it"
        for id in sorted(alive)[:50]:
            operation = self.sure[id]
            assert operation is not None
            hit = store.recall(operation.vectors[operation.ids.index(id)], k=1, ef=4 * len(alive))[0]
            assert hit.id == id
            assert hit.distance == pytest.approx(0, abs=1e-4)
            assert hit.content == operation.contents[operation.ids.index(id)]

    @staticmethod
    def _holds(store: engram.MemoryStore, id: str, operation: Operation | None) -> bool:
        found = store.get(id)
        if found is None or operation is None or operation.forgets:
            return found is None and (operation is None or operation.forgets)
        at = operation.ids.index(id)
        return (
            found.vector.tobytes() == operation.vectors[at].tobytes()
            and found.content == operation.contents[at]
        )


@pytest.mark.slow
def test_what_was_acknowledged_survives_sigkill_at_any_instant(folder: Path) -> None:
    print(f"ENGRAM_CRASH_SEED={SEED}")
    drawn = random.Random(SEED)
    expected = Expected()

    for round in range(ROUNDS):
        seed = drawn.randrange(2**32)
        killed = run_and_kill(folder, seed, THREADS, drawn.uniform(0.0, 0.25))
        expected.add(seed, killed, THREADS)
        for _ in range(round % 3):  # and while it recovers from that, once or twice
            run_and_kill(folder, seed, 0, drawn.uniform(0.0, 0.02))

        with engram.open(folder, DIM, metric="l2", read_only=round % 3 == 2 and killed.opened) as store:
            expected.settle(store)
            expected.check(store)
        if round % 4 == 0:
            with engram.open(folder) as store:
                expected.check(store)
                store.verify()

    assert sum(operation is not None for operation in expected.sure.values()) > 10, (
        "hardly anything was stored"
    )


@pytest.mark.parametrize("round", range(6))
def test_a_kill_during_creation_leaves_a_store_or_nothing(tmp_path: Path, round: int) -> None:
    print(f"ENGRAM_CRASH_SEED={SEED}")
    drawn = random.Random(f"{SEED} {round}")
    folder = tmp_path / "memories"
    seed = drawn.randrange(2**32)

    killed = run_and_kill(folder, seed, 1, drawn.uniform(0.0, 0.006))

    expected = Expected()
    expected.add(seed, killed, 1)
    with engram.open(folder, DIM, metric="l2") as store:
        expected.settle(store)
        expected.check(store)
        store.store("after", np.ones(DIM))
    with engram.open(folder) as store:
        assert "after" in store


def test_a_kill_during_recovery_changes_nothing(folder: Path) -> None:
    print(f"ENGRAM_CRASH_SEED={SEED}")
    drawn = random.Random(SEED)
    vectors = np.random.default_rng(SEED).standard_normal((4000, DIM)).astype(np.float32)
    with engram.open(folder, DIM, metric="l2") as store:
        store.store_many(
            [str(row) for row in range(4000)], vectors, contents=[f"text {row}" for row in range(4000)]
        )
        store.close(drain=False)

    for _ in range(5):
        run_and_kill(folder, 1, 0, drawn.uniform(0.0, 0.3))

    with engram.open(folder) as store:
        assert len(store) == 4000
        for row in range(0, 4000, 37):
            found = store.get(str(row))
            assert found is not None
            assert found.vector.tobytes() == vectors[row].tobytes()
            assert found.content == f"text {row}"
        store.verify()


@pytest.mark.parametrize("mode", ["interval", "never"])
def test_a_kill_loses_nothing_in_the_modes_that_do_not_sync(folder: Path, mode: str) -> None:
    code = f"""
import os, signal, engram
store = engram.open({str(folder)!r}, 4, fsync={mode!r})
for row in range(500):
    store.store(str(row), [row, 1, 1, 1], content=f"text {{row}}")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)

    assert done.returncode == -signal.SIGKILL
    with engram.open(folder) as store:
        assert len(store) == 500
        found = store.get("499")
        assert found is not None
        assert found.content == "text 499"


def test_an_interpreter_that_ends_without_close_neither_hangs_nor_loses(folder: Path) -> None:
    code = f"""
import engram, numpy as np
store = engram.open({str(folder)!r}, 32, fsync="never")
store.store_many([str(row) for row in range(5000)], np.random.default_rng(0).standard_normal((5000, 32)))
other = engram.open(None, 4)
other.store("a", [1, 2, 3, 4])
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with engram.open(folder) as store:
        assert len(store) == 5000


def test_ctrl_c_during_store_many_leaves_a_prefix_that_is_counted(folder: Path) -> None:
    code = f"""
import engram, numpy as np, time
def progress(done, total):  # slow enough that the signal, sent at the first line, comes long before the end
    print("storing", flush=True) if done < 100 else time.sleep(0.002)
config = engram.Config(batch_bytes="64KB")
with engram.open({str(folder)!r}, 256, config=config) as store:
    vectors = np.random.default_rng(0).standard_normal((60000, 256)).astype("f4")
    ids = [str(row) for row in range(len(vectors))]
    try:
        store.store_many(ids, vectors, progress=progress)
    except KeyboardInterrupt as error:
        print(error.stored, len(store), flush=True)
        store.close(drain=False)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "storing\n"
    child.send_signal(signal.SIGINT)
    told, held = map(int, child.stdout.readline().split())
    assert child.wait(timeout=60) == 0
    child.stdout.close()

    assert told == held
    assert told < 60000
    with engram.open(folder, read_only=True) as store:
        assert len(store) == told
