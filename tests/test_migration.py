"""Memories move between the tiers, and nobody who looks can tell but by the tier."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram import ActivationPolicy, Plan, Population, Tier, TierBudgets
from engram.indexer import _BATCH
from engram.migrator import PATIENCE
from tests.policies import Everything, Misbehaving, Scatter
from tests.tiered import (
    COUNT,
    DIM,
    SMALL,
    UNHURRIED,
    Time,
    config,
    everything,
    open_filled,
    tiers_of,
    vectors,
    wait_for,
)

DAY = 86_400.0


def test_memories_sink_by_themselves_and_those_recalled_come_back(folder: Path, clock: Time) -> None:
    with open_filled(folder, config(SMALL, clock, "20ms")) as store:
        # Over budget: the oldest have sunk, some of them as far as the disk.
        wait_for(lambda: tiers_of(store)["cold"] > 0)
        wait_for(lambda: store.migrate().total == 0)
        at_first = everything(store)
        before = tiers_of(store)
        assert sum(before.values()) == COUNT
        assert min(before.values()) > 0
        assert store.get("m0") is not None
        assert store.recall(vectors()[0], k=1)[0].tier == "cold"
        assert store.recall(vectors()[-1], k=1)[0].tier == "hot"

        # Nobody asks for two months: what was warm goes cold, what fits into RAM stays.
        clock.now += 60 * DAY
        wait_for(lambda: tiers_of(store)["warm"] == 0)
        # The one that was asked for twice may have come up before that.
        assert tiers_of(store)["hot"] in (before["hot"], before["hot"] + 1)
        assert everything(store) == at_first

        # Three that are on the disk are asked for again and again.
        clock.now += 60 * DAY
        for _ in range(3):
            for row in range(3):
                assert store.recall(vectors()[row], k=1).ids == [f"m{row}"]
        wait_for(lambda: all(store.recall(vectors()[row], k=1)[0].tier == "hot" for row in range(3)))
        assert everything(store) == at_first
        store.verify()

        assert store.stats()["migrations"]["failures"] == 0
    with engram.open(folder, config=config(SMALL, clock)) as store:
        assert everything(store) == at_first
        assert store.recall(vectors()[1], k=1)[0].tier == "hot"
        for row in (0, 500, 999):
            memory = store.get(f"m{row}")
            assert memory is not None
            assert memory.vector.tobytes() == vectors()[row].tobytes()
            assert memory.content == f"text {row}"
        store.verify()


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_every_tier_gives_the_same_distances(folder: Path, metric: Any) -> None:
    policy = Everything(Tier.HOT)
    with engram.open(folder, DIM, metric=metric, fsync="never", config=config(policy)) as store:
        store.store_many([f"m{row}" for row in range(300)], vectors(300))
        store.wait_indexed()
        hot = everything(store)
        for tier in (Tier.WARM, Tier.COLD, Tier.HOT, Tier.COLD, Tier.WARM, Tier.HOT):
            policy.tier = tier
            report = store.migrate()
            assert report.total == 300
            assert tiers_of(store)[tier.name.lower()] == 300
            assert everything(store) == hot
            assert {hit.tier for hit in store.recall(np.ones(DIM))} == {tier.name.lower()}
        store.verify()


def test_recalls_during_migrations_show_each_memory_once(folder: Path) -> None:
    stop = threading.Event()
    complaints: list[BaseException] = []
    with open_filled(folder, config(Scatter(1))) as store:
        at_first = everything(store)

        def look(seed: int) -> None:
            drawn = np.random.default_rng(seed)
            try:
                while not stop.is_set():
                    row = int(drawn.integers(COUNT))
                    nearest = store.recall(vectors()[row], k=5, ef=256)
                    assert (nearest.ids[0], nearest.distances[0]) == (f"m{row}", 0.0)
                    found = store.recall(np.ones(DIM), k=COUNT, ef=4 * COUNT)
                    assert len(set(found.ids)) == len(found), "a memory is shown twice"
                    for id, distance in zip(found.ids, found.distances, strict=True):
                        assert distance == at_first[id]
            except BaseException as error:
                complaints.append(error)

        readers = [threading.Thread(target=look, args=(seed,)) for seed in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(8):
            store.migrate()
        stop.set()
        for reader in readers:
            reader.join()
        assert not complaints
        assert everything(store) == at_first
        store.verify()


def test_what_is_stored_and_forgotten_during_migrations_is_as_it_was_left(folder: Path) -> None:
    wanted = {f"m{row}": vectors()[row] for row in range(COUNT)}
    drawn = np.random.default_rng(3)
    stop = threading.Event()
    with open_filled(folder, config(Scatter(2))) as store:

        def keep_migrating() -> None:
            while not stop.is_set():
                store.migrate()

        migrating = threading.Thread(target=keep_migrating)
        migrating.start()
        for step in range(600):
            id = f"m{drawn.integers(COUNT)}"
            if step % 3 and id in wanted:
                store.forget(id)
                del wanted[id]
            else:
                wanted[id] = drawn.standard_normal(DIM).astype(np.float32)
                store.store(id, wanted[id])
            assert len(store) == len(wanted)
        stop.set()
        migrating.join()
        store.migrate()
        check_holds(store, wanted)
    with engram.open(folder) as store:
        check_holds(store, wanted)


def check_holds(store: engram.MemoryStore, wanted: dict[str, Any]) -> None:
    assert set(everything(store)) == set(store) == set(wanted)
    for id, vector in wanted.items():
        memory = store.get(id)
        assert memory is not None
        assert memory.vector.tobytes() == vector.tobytes()
    store.verify()


def test_forgotten_memories_leave_the_segments(folder: Path) -> None:
    policy = Everything(Tier.COLD)
    with open_filled(folder, config(policy)) as store:
        store.migrate()
        size = store.stats()["tiers"]["cold"]["disk_bytes"]
        for row in range(0, COUNT, 2):
            store.forget(f"m{row}")
        report = store.migrate()
        assert report.rewritten == 1
        assert store.stats()["tiers"]["cold"]["disk_bytes"] < 0.75 * size
        assert set(everything(store)) == {f"m{row}" for row in range(1, COUNT, 2)}


def test_the_segments_of_a_tier_stay_few(folder: Path) -> None:
    with engram.open(folder, DIM, fsync="never", config=config(Everything(Tier.COLD))) as store:
        for batch in range(20):
            store.store_many([f"m{batch}-{row}" for row in range(10)], vectors(10))
            store.migrate()
            assert store.stats()["tiers"]["cold"]["segments"] <= 8
        assert tiers_of(store) == {"hot": 0, "warm": 0, "cold": 200}
        store.verify()


def test_a_load_that_does_not_pause_stays_within_the_budget(folder: Path, clock: Time) -> None:
    policy = ActivationPolicy(hot_bytes="1MB", warm_bytes="1MB")
    with engram.open(folder, DIM, fsync="never", config=config(policy, clock, "1h")) as store:
        for batch in range(15):
            store.store_many([f"{batch}-{row}" for row in range(_BATCH[1])], vectors(_BATCH[1]))
            population = store.population()
            hot = population.bytes[population.tier == Tier.HOT]
            # The indexer puts in one batch more before it looks, and the next is under way.
            allowed = PATIENCE * policy.budgets.hot + 2 * _BATCH[1] * int(hot.max(initial=0))
            assert population.bytes_in(Tier.HOT) <= allowed
        store.wait_indexed()
        assert store.stats()["migrations"]["runs"] > 0
        assert store.stats()["migrations"]["failures"] == 0
        assert len(store) == 15 * _BATCH[1]


@pytest.mark.parametrize("reopened", [False, True])
def test_asked_again_it_moves_nothing(folder: Path, clock: Time, reopened: bool) -> None:
    settings = config(ActivationPolicy(hot_bytes="2MB", warm_bytes="4MB"), clock, "1h")
    rows = np.random.default_rng(3).standard_normal((12_000, 128)).astype(np.float32)
    with engram.open(folder, 128, metric="l2", fsync="never", config=settings) as store:
        for at in range(0, len(rows), 1000):
            store.store_many([str(row) for row in range(at, at + 1000)], rows[at : at + 1000])
        store.wait_indexed()
        store.migrate()
        for cue in np.repeat(rows[:1500], 4, axis=0):
            store.recall(cue, 1)
        if not reopened:
            store.migrate()
            assert store.migrate().total == 0
    with engram.open(folder, config=settings) as store:
        store.migrate()
        assert store.migrate().total == 0


def test_activations_outlive_a_move_and_a_reopening(folder: Path, clock: Time) -> None:
    policy = Everything(Tier.COLD)
    with open_filled(folder, config(policy, clock), 100) as store:
        for _ in range(4):
            store.recall(vectors()[5], k=1)
        for tier in (Tier.COLD, Tier.WARM, Tier.HOT, Tier.COLD):
            policy.tier = tier
            store.migrate()
            assert sorted(store.population().activation)[-2:] == [1.0, 5.0]
        store.checkpoint()
    clock.now += 7 * DAY
    with engram.open(folder, config=config(policy, clock)) as store:
        np.testing.assert_allclose(sorted(store.population().activation)[-2:], [0.5, 2.5], rtol=1e-3)
        assert store.population().age.min() == pytest.approx(7 * DAY, abs=1)


# -- policies that misbehave


def test_more_than_fits_does_not_come_up(folder: Path) -> None:
    policy = Everything(Tier.COLD)
    policy.budgets = TierBudgets(hot_bytes="80KB")  # type: ignore[attr-defined]
    with open_filled(folder, config(policy)) as store:
        at_first = everything(store)
        store.migrate()
        policy.tier = Tier.HOT
        report = store.migrate()
        assert report.refused > 0
        assert report.total + report.refused == COUNT
        assert store.population().bytes_in(Tier.HOT) <= 80_000
        assert store.stats()["migrations"]["refused"] == report.refused
        assert everything(store) == at_first


def test_what_leaves_makes_room_once_however_often_it_is_named(folder: Path) -> None:
    policy = Misbehaving(lambda population: Plan(population.key, np.full(COUNT, Tier.COLD)))
    policy.budgets = TierBudgets(hot_bytes="80KB")  # type: ignore[attr-defined]
    with open_filled(folder, config(policy)) as store:
        store.migrate()
        population = store.population()
        policy.answer = Plan(population.key[:20], np.full(20, Tier.HOT))
        store.migrate()
        again = np.repeat(population.key[:20], 1000)
        policy.answer = Plan(
            np.concatenate([again, population.key[20:]]),
            np.concatenate([np.full(len(again), Tier.COLD), np.full(COUNT - 20, Tier.HOT)]),
        )
        report = store.migrate()

        assert report.refused > 0
        assert store.population().bytes_in(Tier.HOT) <= 80_000
        assert report.stayed == len(again) - 20


def test_a_store_in_ram_has_one_tier() -> None:
    with engram.open(None, DIM, config=config(Everything(Tier.COLD))) as store:
        store.store("a", np.ones(DIM))
        with pytest.raises(engram.InvalidInput, match="RAM"):
            store.migrate()
        assert not store.stats()["migrations"]["alive"]
        assert tiers_of(store) == {"hot": 1, "warm": 0, "cold": 0}


def test_a_read_only_store_moves_nothing(folder: Path) -> None:
    open_filled(folder, config(Everything(Tier.COLD)), 50).close()
    with engram.open(folder, read_only=True, config=config(Everything(Tier.COLD), interval="10ms")) as store:
        with pytest.raises(engram.ReadOnlyStore):
            store.migrate()
        assert not store.stats()["migrations"]["alive"]
        assert tiers_of(store) == {"hot": 50, "warm": 0, "cold": 0}
    with pytest.raises(engram.StoreClosed):
        store.migrate()


def test_without_an_interval_there_is_no_thread(folder: Path) -> None:
    with open_filled(folder, config(SMALL)) as store:
        assert not store.stats()["migrations"]["alive"]
        assert store.stats()["migrations"]["runs"] == 0
        assert tiers_of(store)["hot"] == COUNT


def test_a_store_that_is_closed_does_not_wait_for_a_slow_migration(folder: Path) -> None:
    crawling = engram.Config(policy=Everything(Tier.COLD), migration_interval="10ms", compaction_bandwidth=10)
    store = open_filled(folder, crawling, 100)
    began = time.monotonic()
    wait_for(lambda: any(folder.glob("seg-*")))  # it writes, ten bytes a second
    store.close()
    assert time.monotonic() - began < 60
    with engram.open(folder, config=config(SMALL)) as store:
        assert len(everything(store)) == 100
        store.verify()


def test_a_store_dropped_within_its_own_migrator_closes_all_the_same(folder: Path) -> None:
    """The garbage collector may run in any thread, in the migrator's as well."""
    dropped = threading.Event()
    threads: list[threading.Thread] = []

    def drop(population: Population) -> Plan:
        threads.append(threading.current_thread())
        holder.clear()
        gc.collect()
        dropped.set()
        return Plan.nothing()

    policy = Misbehaving(Plan.nothing())
    holder = [engram.open(folder, DIM, config=config(policy, interval="10ms"))]
    holder[0].store("a", np.ones(DIM))
    policy.answer = drop

    assert dropped.wait(30)
    threads[0].join(30)
    assert not threads[0].is_alive()
    with engram.open(folder) as store:
        assert list(store) == ["a"]


def test_a_kill_during_migrations_loses_nothing(folder: Path) -> None:
    open_filled(folder, config(SMALL)).close()
    program = f"""
import sys, engram
from tests.policies import Scatter
config = engram.Config(policy=Scatter(int(sys.argv[1])), migration_interval=None)
store = engram.open({str(folder)!r}, config=config)
print("open", flush=True)
while True:
    store.migrate()
    print("moved", flush=True)
"""
    drawn = np.random.default_rng(11)
    at_first = None
    for round_number in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(round_number)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        assert child.stdout is not None
        for _ in range(1 + round_number % 3):
            assert child.stdout.readline()
        time.sleep(float(drawn.uniform(0, 0.05)))  # somewhere within the next
        child.kill()
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        with engram.open(folder, config=config(SMALL)) as store:
            found = everything(store)
            assert len(found) == COUNT
            assert at_first in (None, found)
            at_first = found
            store.verify()


# -- what can be asked of a recall, and seen of the tiers


def test_a_memory_that_came_up_and_was_forgotten_leaves_nothing_behind(folder: Path) -> None:
    """Its row is dropped by a compaction, and the next segment may be a smaller one in the same place."""
    policy = Everything(Tier.COLD)
    settings = engram.Config(policy=policy, migration_interval=None, checkpoint_bytes=None, budgets=UNHURRIED)
    with open_filled(folder, settings) as store:
        store.migrate()
        some = np.sort(store.population().key)[-100:]
        store._parts.native.move(some, np.zeros(100, np.uint8), store._parts.catalog.applied, None)
        for row in range(20, COUNT):
            store.forget(f"m{row}")
        store.migrate()  # rewrites the segment, without those that came up
        for number in range(20):
            store.store(f"n{number}", np.full(DIM, number))
            store.migrate()
        assert set(everything(store)) == {f"m{row}" for row in range(20)} | {f"n{row}" for row in range(20)}
        store.verify()
