"""A policy that fails, or names what it must not, harms nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram import ActivationPolicy, Plan, Population, Tier
from engram.indexer import _BATCH
from tests.policies import Everything, Misbehaving
from tests.tiered import (
    DIM,
    Time,
    config,
    everything,
    open_filled,
    vectors,
    wait_for,
)

UNKNOWN = np.array([3, 2**63 + 5], np.uint64)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ZeroDivisionError("division by zero"), "division by zero"),
        (SystemExit("leave"), "leave"),
        (KeyboardInterrupt("stop"), "stop"),
        (None, "Misbehaving.. returned None.*engram.Plan"),
        ((np.arange(3), np.zeros(3)), "engram.Plan"),
        (Plan(np.arange(3), np.zeros(2, int)), "3 keys and 2 tiers"),
        (Plan(np.arange(3.0), np.zeros(3, int)), "keys of the shape.*float64"),
        (Plan(np.arange(4).reshape(2, 2), np.zeros(4, int)), "one axis"),
        (Plan(np.arange(3), np.array([0, 1, 3])), "the tier 3"),
        (Plan(np.arange(3), np.array([0, -1, 2])), "the tier -1"),
        (Plan(["a"], ["hot"]), "integers"),  # type: ignore[arg-type]
        (Plan([[1], [1, 2]], [1, 2]), "keys that make no array"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_policy_that_fails_is_reported_and_the_store_goes_on(folder: Path, answer: Any, told: str) -> None:
    policy = Misbehaving(answer)
    with open_filled(folder, config(policy, interval="10ms"), 50) as store:
        at_first = everything(store)
        with pytest.raises(
            (engram.EngramError, ZeroDivisionError, SystemExit, KeyboardInterrupt), match=told
        ):
            store.migrate()
        wait_for(lambda: store.stats()["migrations"]["failures"] >= 3)
        assert store.stats()["migrations"]["alive"]
        assert told.split(".")[0].split(" ")[0] in store.stats()["migrations"]["trouble"]
        assert store.stats()["migrations"]["last"][-1]["error"]
        assert everything(store) == at_first

        policy.answer = Plan.nothing()
        wait_for(lambda: store.stats()["migrations"]["trouble"] is None)
        store.store("after", np.ones(DIM))
        assert "after" in store


def test_a_clock_that_ends_its_thread_is_reported_and_the_store_goes_on(folder: Path, clock: Time) -> None:
    class Leaving(Time):
        def __call__(self) -> float:
            if threading.current_thread().name == "engram-migrator" and self.now < 0:
                raise SystemExit("leave")
            return abs(self.now)

    leaving = Leaving()
    with open_filled(folder, config(Everything(Tier.COLD), leaving, "10ms"), 50) as store:
        leaving.now = -leaving.now
        failed = store.stats()["migrations"]["failures"]
        wait_for(lambda: store.stats()["migrations"]["failures"] >= failed + 2)
        assert store.stats()["migrations"]["trouble"] == "leave"
        leaving.now = -leaving.now
        wait_for(lambda: store.stats()["migrations"]["trouble"] is None)


def test_a_load_that_waits_for_a_migration_goes_on_when_that_fails_at_once(folder: Path) -> None:
    """The indexer waits while the hot tier is far over its budget: a failure must end that."""

    class Silent(Time):
        def __call__(self) -> float:
            if threading.current_thread().name == "engram-migrator":
                raise SystemExit("leave")
            return self.now

    policy = ActivationPolicy(hot_bytes="80KB", warm_bytes="80KB")
    with engram.open(folder, DIM, fsync="never", config=config(policy, Silent(), "1h")) as store:
        for batch in range(4):
            store.store_many([f"{batch}-{row}" for row in range(_BATCH[1])], vectors(_BATCH[1]))
        assert store.wait_indexed(timeout=30)
        assert store.stats()["migrations"]["failures"] > 0


def test_unknown_keys_are_counted_and_passed_over(folder: Path) -> None:
    policy = Misbehaving(lambda population: Plan(np.append(population.key, UNKNOWN), np.full(52, 2)))
    with open_filled(folder, config(policy), 50) as store:
        report = store.migrate()
        assert (report.unknown, report.moved) == (2, {"hot->cold": 50})
        assert store.stats()["migrations"]["unknown_keys"] == 2
        policy.answer = Plan(np.array([-1]), np.array([1]))
        assert store.migrate().unknown == 1
        assert len(everything(store)) == 50


def test_what_a_policy_is_given_it_cannot_change(folder: Path) -> None:
    def change(population: Population) -> Plan:
        population.bytes[:] = 0
        return Plan.nothing()

    with (
        open_filled(folder, config(Misbehaving(change)), 50) as store,
        pytest.raises(ValueError, match="read-only"),
    ):
        store.migrate()


def test_a_plan_may_name_a_memory_twice(folder: Path) -> None:
    twice = Misbehaving(lambda population: Plan(np.repeat(population.key, 2), np.tile([2, 1], 50)))
    with open_filled(folder, config(twice), 50) as store:
        report = store.migrate()
        assert report.total == report.stayed == 50
        assert len(everything(store)) == 50


# -- when and where a migration may be
