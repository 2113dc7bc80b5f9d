"""Three tiers under one recall: what it looks at, what it says of them, and what damage does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram import Tier
from tests.policies import Everything, Scatter
from tests.tiered import COUNT, DIM, SMALL, Time, config, everything, open_filled, vectors


def test_a_recall_looks_where_it_is_told(folder: Path) -> None:
    with open_filled(folder, config(Scatter(5)), 300) as store:
        store.migrate()
        whole = everything(store)
        parts = {
            tier: store.recall(np.ones(DIM), k=300, ef=1200, tiers=(tier,))
            for tier in ("hot", "warm", "cold")
        }
        for tier, found in parts.items():
            assert set(found.tiers) == {tier}
            assert {hit.tier for hit in found} == {tier}
        assert {
            id: distance
            for found in parts.values()
            for id, distance in zip(found.ids, found.distances, strict=True)
        } == whole

        store.store("pending", np.ones(DIM))
        assert store.recall(np.ones(DIM), k=1, tiers=["hot"])[0].id == "pending"
        assert "pending" not in store.recall(np.ones(DIM), k=1, tiers=("warm", "cold")).ids
        [many] = store.recall_many(np.ones((1, DIM)), k=300, ef=1200, tiers=("cold",))
        assert many.ids == parts["cold"].ids


def test_a_tier_may_be_named_or_be_a_member_of_tier(folder: Path) -> None:
    with open_filled(folder, config(Scatter(5)), 300) as store:
        store.migrate()
        for tier, name in ((Tier.HOT, "hot"), (Tier.WARM, "warm"), (Tier.COLD, "cold")):
            assert set(store.recall(np.ones(DIM), tiers=(tier,)).tiers) == {name}
        [many] = store.recall_many(np.ones((1, DIM)), tiers=[Tier.WARM, "cold"])
        assert set(many.tiers) == {"warm", "cold"}


def test_a_recall_without_time_says_that_it_is_not_complete(folder: Path) -> None:
    with open_filled(folder, config(Everything(Tier.WARM))) as store:
        store.migrate()
        store.store("pending", np.ones(DIM))
        found = store.recall(np.ones(DIM), budget_ms=1e-6)
        assert not found.complete
        assert any(report.truncated for report in found.tiers.values())
        assert store.recall(np.ones(DIM)).complete
    hurried = engram.Config(budgets=engram.LatencyBudgets(warm_ms=1e-6), migration_interval=None)
    with engram.open(folder, config=hurried) as store:
        found = store.recall(np.ones(DIM))
        assert found.tiers["warm"].truncated and not found.tiers["cold"].truncated


@pytest.mark.parametrize("wrong", [(), "hot", Tier.HOT, ("hot", "tepid"), 3, (0,), (True,)], ids=repr)
def test_tiers_that_are_none_are_refused(memory: engram.MemoryStore, wrong: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="tiers"):
        memory.recall(np.ones(8), tiers=wrong)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "1", True])
def test_a_budget_that_is_no_time_is_refused(memory: engram.MemoryStore, wrong: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="budget_ms"):
        memory.recall(np.ones(8), budget_ms=wrong)


def test_stats_tell_of_the_tiers_also_to_those_who_come_later(folder: Path, clock: Time) -> None:
    with open_filled(folder, config(SMALL, clock)) as store:
        report = store.migrate()
        for row in range(50):
            store.recall(vectors()[row])
        tiers = store.stats()["tiers"]
        assert sum(tier["memories"] for tier in tiers.values()) == COUNT
        assert sum(tier["hit_share"] for tier in tiers.values()) == pytest.approx(1)
        assert tiers["cold"]["p99_us"] > 0
        assert tiers["cold"]["disk_bytes"] == sum(file.stat().st_size for file in folder.glob("seg-*.cold"))
        assert tiers["hot"]["activation"]["median"] >= 1
        assert 0 <= tiers["cold"]["cache_hit_rate"] <= 1
        assert tiers["hot"]["cache_hit_rate"] is tiers["warm"]["cache_hit_rate"] is None  # they do without
        assert store.stats()["migrations"]["last"][-1]["moved"] == report.moved

    with engram.open(folder, read_only=True, config=config(SMALL, clock)) as later:
        before = later.stats()["before"]
        assert before["tiers"]["cold"]["recalls"] == 50
        assert before["migrations"][-1]["moved"] == report.moved
        assert before["at"] == clock.now


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"at": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_record_of_activity_is_as_good_as_none(folder: Path, damage: bytes) -> None:
    open_filled(folder, config(SMALL), 10).close()
    (folder / "activity.json").write_bytes(damage)
    with engram.open(folder) as store:
        assert store.stats()["before"] is None
        assert len(store) == 10


def test_a_segment_that_is_gone_is_missed_at_the_next_open(folder: Path) -> None:
    with open_filled(folder, config(Everything(Tier.COLD))) as store:
        store.migrate()
        at_first = everything(store)
        [segment] = folder.glob("seg-*")
        segment.unlink()
        assert everything(store) == at_first  # it is open
    with pytest.raises(engram.CorruptionError, match=segment.name):
        engram.open(folder)


def test_a_flipped_bit_in_a_segment_is_found(folder: Path) -> None:
    with open_filled(folder, config(Everything(Tier.WARM))) as store:
        store.migrate()
        at_first = everything(store)
    [segment] = folder.glob("seg-*")
    whole = segment.read_bytes()
    for offset in np.random.default_rng(1).integers(0, len(whole), 20):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        segment.write_bytes(damaged)
        try:
            with engram.open(folder, read_only=True) as store:
                found = store.recall(np.ones(DIM), k=COUNT, ef=4 * COUNT)
                recalled = dict(zip(found.ids, found.distances, strict=True))
                assert recalled.items() <= at_first.items()
                assert found.complete == (len(recalled) == COUNT)
                store.verify()
        except (engram.CorruptionError, engram.UnsupportedFormat) as error:
            assert segment.name in str(error)
        else:
            pytest.fail(f"byte {offset} of {segment.name} is damaged and nobody says so")
    segment.write_bytes(whole)
    with engram.open(folder) as store:
        assert everything(store) == at_first


@pytest.mark.parametrize("tier", [Tier.WARM, Tier.COLD])
@pytest.mark.parametrize("column", ["keys", "ids", "vectors"])
def test_what_is_damaged_after_it_was_read_does_not_move_on_with_a_right_checksum(
    folder: Path, tier: Tier, column: str
) -> None:
    policy = Everything(tier)
    with open_filled(folder, config(policy)) as store:
        store.migrate()
        at_first = everything(store)  # every page of a column was read, and right
        [segment] = folder.glob("seg-*")
        whole = segment.read_bytes()
        at = {"keys": 4096, "ids": whole.index(b"m0"), "vectors": whole.index(vectors()[500].tobytes())}[
            column
        ]
        _overwrite(segment, at, bytes(byte ^ 0x81 for byte in whole[at : at + 40]))
        for other in (Tier.HOT, Tier(3 - tier)):
            policy.tier = other
            with pytest.raises(engram.CorruptionError, match=segment.name):
                store.migrate()
        if column == "ids":
            found = store.recall(np.ones(DIM), k=COUNT, ef=4 * COUNT)
            assert set(found.ids) < set(at_first)  # and none that nobody stored
            assert not found.complete
            assert len([id for id in at_first if store.get(id) is not None]) == COUNT
            with pytest.raises(engram.CorruptionError, match=segment.name):
                list(store)
        _overwrite(segment, at, whole[at : at + 40])
        store.migrate()
        assert everything(store) == at_first
        store.verify()


def _overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def test_a_segment_that_was_removed_is_missed_while_it_can_be_saved(folder: Path) -> None:
    with open_filled(folder, config(Everything(Tier.COLD))) as store:
        store.migrate()
        at_first = everything(store)
        store.verify()
        [segment] = folder.glob("seg-*")
        segment.unlink()
        with pytest.raises(engram.CorruptionError, match=f"{segment.name} was removed while"):
            store.verify()
        assert everything(store) == at_first


@pytest.mark.parametrize("tier", [Tier.WARM, Tier.COLD])
def test_a_memory_whose_id_is_damaged_is_left_out_of_recalls_which_say_so(
    folder: Path, tier: Tier, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(Everything(tier))
    with open_filled(folder, settings) as store:
        store.migrate()
    [segment] = folder.glob("seg-*")
    damaged = bytearray(segment.read_bytes())
    ids = re.search(rb"(m\d+){100}", damaged)
    assert ids is not None
    damaged[ids.start()] ^= 0x10
    segment.write_bytes(damaged)

    with engram.open(folder, config=settings) as store:
        store.store("hot", vectors(1)[0])
        found = store.recall(vectors(1)[0], k=COUNT, ef=4 * COUNT)
        name = tier.name.lower()
        unnamed = found.tiers[name].unnamed
        assert not found.complete and not found.tiers[name].truncated
        assert unnamed > 0 and len(found) + unnamed == COUNT
        assert "hot" in found.ids
        [again] = store.recall_many(vectors(1), k=COUNT, ef=4 * COUNT)
        assert again.ids == found.ids
        assert store.stats()["tiers"][name]["unnamed"] == 2 * unnamed
        [told] = [record for record in caplog.records if getattr(record, "event", None) == "recall.damaged"]
        assert segment.name in told.getMessage()
        with pytest.raises(engram.CorruptionError, match=segment.name):
            store.verify()
