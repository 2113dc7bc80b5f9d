"""Whatever is done to a store in whatever order, it equals a dict with brute force."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import engram
from tests.model import Floats, Model, Stored
from tests.policies import Scatter

DIM = 6
# Drawn as they may be, not thrown away: printable is what Unicode calls neither Other nor Separator.
PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
IDS = st.integers(0, 30).map(str) | st.text(PRINTABLE, min_size=1, max_size=20)
CONTENTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=40)
METADATA = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=3,
)
CONFIDENCES = st.floats(0, 1, exclude_min=True)
SEEDS = st.integers(0, 2**32 - 1)  # a vector is drawn by numpy: Hypothesis need not shrink its bits


def vector(seed: int) -> Floats:
    """Coarse values, so that equal distances and equal vectors come up."""
    drawn = np.random.default_rng(seed)
    whole = drawn.integers(-3, 4, DIM).astype(np.float32)
    return whole + np.float32(0.5) if seed % 3 else drawn.standard_normal(DIM).astype(np.float32)


class StoreMachine(RuleBasedStateMachine):
    folder: Path
    store: engram.MemoryStore

    @initialize(
        metric=st.sampled_from(["cosine", "l2", "ip"]),
        indexing=st.sampled_from(["async", "sync"]),
        capacity=st.sampled_from([1, 3, 65_536]),
        batch=st.sampled_from(["1KB", "4MiB"]),
    )
    def create(self, metric: Any, indexing: Any, capacity: int, batch: str) -> None:
        self.model = Model(metric)
        self.now = 1_700_000_000.0
        self.config = engram.Config(
            indexing=indexing,
            queue_capacity=capacity,
            batch_bytes=batch,
            threads=1,
            policy=Scatter(capacity),
            migration_interval=None,
            clock=lambda: self.now,
            budgets=engram.LatencyBudgets(None, None, None),
        )
        self.folder = Path(tempfile.mkdtemp(prefix="engram-machine-"))
        self.store = engram.open(self.folder, DIM, metric=metric, fsync="never", config=self.config)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(id=IDS, seed=SEEDS, content=CONTENTS, metadata=METADATA, confidence=CONFIDENCES)
    def store_one(self, id: str, seed: int, content: str | None, metadata: Any, confidence: float) -> None:
        stored = Stored(vector(seed), content, metadata, confidence)
        self.store.store(id, stored.vector, content=content, metadata=metadata, confidence=confidence)
        self.model.memories[id] = stored

    @rule(rows=st.lists(st.tuples(IDS, SEEDS, CONTENTS), max_size=40))
    def store_many(self, rows: list[tuple[str, int, str | None]]) -> None:
        vectors = np.array([vector(seed) for _, seed, _ in rows], np.float32).reshape(-1, DIM)
        self.store.store_many([id for id, _, _ in rows], vectors, contents=[content for *_, content in rows])
        for row, (id, _, content) in enumerate(rows):
            self.model.memories[id] = Stored(vectors[row], content)

    @precondition(lambda self: self.model.memories)
    @rule(data=st.data(), seed=SEEDS)
    def update(self, data: st.DataObject, seed: int) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.memories)))
        self.store.store(id, vector(seed), content="updated")
        self.model.memories[id] = Stored(vector(seed), "updated")

    @precondition(lambda self: self.model.memories)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.memories)))
        assert self.store.forget(id) is not None
        del self.model.memories[id]

    @rule(id=IDS)
    def forget_any(self, id: str) -> None:
        assert (self.store.forget(id) is not None) == (self.model.memories.pop(id, None) is not None)

    @rule(id=IDS)
    def get(self, id: str) -> None:
        self.model.check_memory(self.store, id)

    @rule(seed=SEEDS, share=st.floats(0, 1))
    def recall(self, seed: int, share: float) -> None:
        self.model.check_recall(self.store, vector(seed), 1 + int(share * len(self.model.memories)))

    @rule(seed=SEEDS)
    def recall_everything(self, seed: int) -> None:
        self.model.check_recall(self.store, vector(seed), len(self.model.memories) + 1)

    @rule()
    def wait_indexed(self) -> None:
        assert self.store.wait_indexed(timeout=60)

    @rule()
    def checkpoint(self) -> None:
        self.store.checkpoint()

    @rule()
    def migrate(self) -> None:
        count = len(self.model.memories)
        report = self.store.migrate()
        assert report.total + report.stayed <= count
        assert sum(tier["memories"] for tier in self.store.stats()["tiers"].values()) == count

    @rule()
    def compact(self) -> None:
        self.store._parts.native.compact(None)

    @rule(days=st.floats(-1, 60))
    def let_time_pass(self, days: float) -> None:
        self.now += 86_400 * days

    @rule(drain=st.booleans())
    def reopen(self, drain: bool) -> None:
        self.store.close(drain=drain)
        self.store = engram.open(self.folder, fsync="never", config=self.config)
        self.model.check_all(self.store)

    @rule(drain=st.booleans(), seed=SEEDS)
    def look_read_only(self, drain: bool, seed: int) -> None:
        self.store.close(drain=drain)
        with engram.open(self.folder, read_only=True) as reader:
            self.model.check_all(reader)
            self.model.check_recall(reader, vector(seed), 5)
            reader.verify()
        self.store = engram.open(self.folder, fsync="never", config=self.config)

    @rule()
    def verify(self) -> None:
        assert self.store.verify().memories == len(self.model.memories)

    @invariant()
    def as_many(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == len(self.model.memories)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
