"""A store against a dict and brute force, where any step may be followed, or cut off, by SIGKILL."""

from __future__ import annotations

import copy
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import engram
from tests.machine_child import serve
from tests.model import Floats, Model, Stored

DIM = 4
IDS = st.sampled_from([f"m{number}" for number in range(12)])
SEEDS = st.integers(0, 10_000)
LONG = os.environ.get("ENGRAM_LONG_TESTS") == "1"

# A server that has imported everything forks the processes: each is there in milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.machine_child"])


def vector(seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


class KillMachine(RuleBasedStateMachine):
    @initialize(fsync=st.sampled_from(["always", "interval", "never"]))
    def create(self, fsync: str) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.model = Model("l2")
        self.fsync = fsync
        self.start()

    def start(self) -> None:
        self.pipe, theirs = _context.Pipe()
        self.child = _context.Process(
            target=serve, args=(theirs, self.root / "store", DIM, self.fsync), daemon=True
        )
        self.child.start()
        theirs.close()
        self.ask("ready")

    def ask(self, verb: str, *arguments: Any) -> Any:
        self.pipe.send((verb, arguments))
        result, complaint = self.pipe.recv()
        assert complaint is None, complaint
        return result

    def end(self) -> None:
        self.child.kill()
        self.child.join()
        self.pipe.close()

    def teardown(self) -> None:
        if hasattr(self, "child"):
            self.end()
            with engram.open(self.root / "store", read_only=True) as store:
                self.model.check_all(store)
            shutil.rmtree(self.root)

    @rule(id=IDS, seed=SEEDS)
    def store(self, id: str, seed: int) -> None:
        self.ask("store", id, vector(seed), f"text {seed}")
        self.model.memories[id] = Stored(vector(seed), f"text {seed}")

    @rule(rows=st.lists(st.tuples(IDS, SEEDS), min_size=1, max_size=20))
    def store_many(self, rows: list[tuple[str, int]]) -> None:
        self.ask("store_many", *batch(rows))
        self.model.memories.update(stored(rows))

    @rule(place=st.floats(0, 1, exclude_max=True), seed=SEEDS)
    def update(self, place: float, seed: int) -> None:
        # What is there depends on where a kill fell: nothing may be drawn from it.
        there = sorted(self.model.memories)
        if there:
            self.store(there[int(place * len(there))], seed)

    @rule(id=IDS)
    def forget(self, id: str) -> None:
        assert self.ask("forget", id) == (self.model.memories.pop(id, None) is not None)

    @rule(seed=SEEDS, share=st.floats(0, 1))
    def recall(self, seed: int, share: float) -> None:
        self.ask("recall", self.model, vector(seed), 1 + int(share * len(self.model.memories)))

    @rule()
    def checkpoint(self) -> None:
        self.ask("checkpoint")

    @rule()
    def migrate(self) -> None:
        self.ask("migrate")

    @rule(drain=st.booleans())
    def reopen(self, drain: bool) -> None:
        self.ask("reopen", drain)
        self.ask("check", self.model)

    @rule()
    def kill(self) -> None:
        self.end()
        self.start()
        self.ask("check", self.model)

    @rule(verb=st.sampled_from(["checkpoint", "reopen", "migrate"]))
    def kill_during_what_changes_nothing(self, verb: str) -> None:
        self.pipe.send((verb, (False,) if verb == "reopen" else ()))
        self.kill()

    @rule(rows=st.lists(st.tuples(IDS, SEEDS), min_size=1, max_size=20))
    def kill_during_store_many(self, rows: list[tuple[str, int]]) -> None:
        """A batch this small is one record: all of it is there, or nothing."""
        self.pipe.send(("store_many", batch(rows)))
        self.end()
        after = copy.deepcopy(self.model)
        after.memories.update(stored(rows))
        with engram.open(self.root / "store", read_only=True) as store:
            held = {id: memory.vector.tobytes() for id in store if (memory := store.get(id)) is not None}
            if held == {id: memory.vector.tobytes() for id, memory in after.memories.items()}:
                self.model = after
            self.model.check_all(store)
        self.start()
        self.ask("check", self.model)


def batch(rows: list[tuple[str, int]]) -> tuple[list[str], Floats, list[str]]:
    vectors = np.array([vector(seed) for _, seed in rows])
    return [id for id, _ in rows], vectors, [f"text {seed}" for _, seed in rows]


def stored(rows: list[tuple[str, int]]) -> dict[str, Stored]:
    return {id: Stored(vector(seed), f"text {seed}") for id, seed in rows}


TestKillMachine = pytest.mark.slow(KillMachine.TestCase)
TestKillMachine.settings = settings(
    max_examples=200 if LONG else 12,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
