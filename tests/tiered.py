"""A store whose memories lie in all tiers, and a clock that goes when told."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import engram
from engram import ActivationPolicy

DIM = 8
COUNT = 1000
UNHURRIED = engram.LatencyBudgets(hot_ms=None, warm_ms=None, cold_ms=None)
SMALL = ActivationPolicy(hot_bytes="80KB", warm_bytes="80KB")


class Time:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def config(policy: Any, clock: Any = time.time, interval: Any = None) -> engram.Config:
    """Without deadlines: what a busy machine does not find in time is not what is tested here."""
    return engram.Config(policy=policy, clock=clock, migration_interval=interval, budgets=UNHURRIED)


def open_filled(folder: Path, settings: engram.Config, count: int = COUNT) -> engram.MemoryStore:
    store = engram.open(folder, DIM, metric="l2", fsync="never", config=settings)
    store.store_many(
        [f"m{row}" for row in range(count)], vectors(count), contents=[f"text {row}" for row in range(count)]
    )
    store.wait_indexed()
    return store


def vectors(count: int = COUNT) -> Any:
    return np.random.default_rng(7).standard_normal((count, DIM)).astype(np.float32)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def tiers_of(store: engram.MemoryStore) -> dict[str, int]:
    return {tier: figures["memories"] for tier, figures in store.stats()["tiers"].items()}


def everything(store: engram.MemoryStore) -> dict[str, float]:
    """Each memory with its distance from one cue; each is found exactly once."""
    found = store.recall(np.ones(DIM), k=len(store), ef=4 * len(store))
    assert len(found) == len(set(found.ids)) == len(store)
    assert found.complete
    return dict(zip(found.ids, found.distances, strict=True))
