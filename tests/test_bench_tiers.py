"""The simulated life is the same for every policy, and its figures say what happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.tiers.life import Scale, Trace, run
from benchmarks.tiers.policies import Layout, contenders
from benchmarks.tiers.report import sheets
from benchmarks.tiers.worker import budgets_of

from engram import Population, Tier

SMALL = Scale(days=1, memories=1500, dim=8, topics=20, recalls_an_hour=4, changes_an_hour=3)


def test_a_trace_is_the_same_each_time() -> None:
    lives = [[(hour.stored, hour.forgotten, hour.cues) for hour in Trace(SMALL).hours()] for _ in range(2)]
    for (stored, forgotten, cues), (also, gone, asked) in zip(*lives, strict=True):
        assert [id for id, _ in stored] == [id for id, _ in also]
        assert forgotten == gone
        assert np.array_equal(cues, asked)
    assert len(lives[0]) == 24


def test_a_trace_forgets_only_what_there_is() -> None:
    trace = Trace(SMALL)
    held: set[str] = set()
    for hour in trace.hours():
        held |= {id for id, _ in trace.first} if not held else set()
        held |= {id for id, _ in hour.stored}
        assert set(hour.forgotten) <= held
        held -= set(hour.forgotten)
        assert len(held) == SMALL.memories


def test_every_policy_lives_through_it(tmp_path: Path) -> None:
    budgets = budgets_of(SMALL)
    results = [
        run(name, policy, Trace(SMALL), tmp_path / name) for name, policy in contenders(budgets).items()
    ]
    for result in results:
        assert sum(result["hits"].values()) == pytest.approx(1)
        assert result["hits"]["hot"] < 1
        assert [sample["memories"] for sample in result["samples"]] == [SMALL.memories] * 3
        assert min(sample["recall_10"] for sample in result["samples"]) > 0.9
        assert all(0 < sample["log_bytes"] < sample["disk_bytes"] for sample in result["samples"])
    tables = sheets({"life": {"scale": vars(SMALL), "policies": results}})
    assert [row[0] for row in tables[0].rows] == ["activation", "LRU", "LFU", "random"]


def test_a_layout_goes_by_the_order_of_storing() -> None:
    keys = np.array([50, 10, 40, 20, 30], np.uint64)
    held = Population(
        keys, np.zeros(5, np.uint8), np.ones(5, np.float32), np.zeros(5, np.float32), np.ones(5, np.uint32)
    )
    layout = Layout(hot=1, warm=2)
    plan = layout.plan(held, layout.budgets)
    assert dict(zip(plan.keys.tolist(), plan.tiers.tolist(), strict=True)) == {
        20: Tier.WARM,
        30: Tier.WARM,
        40: Tier.COLD,
        50: Tier.COLD,
    }
