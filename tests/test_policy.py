"""What the default policy plans, for any population: budgets kept, the liveliest up, nothing to and fro."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import engram
from engram import ActivationPolicy, LatencyBudgets, Plan, Population, Tier, TierBudgets
from engram._durations import parse_duration
from engram.activation_policy import FILLED, RESIDENT

HOT, WARM, COLD = 0, 1, 2
ROW = 1000  # bytes of each memory, in every tier


def population(activation: Any, tier: Any, age: Any = 0.0) -> Population:
    count = len(activation)
    return Population(
        key=np.arange(1, count + 1, dtype=np.uint64),
        tier=np.broadcast_to(np.asarray(tier, np.uint8), (count,)).copy(),
        activation=np.asarray(activation, np.float32),
        age=np.full(count, age, np.float32),
        bytes=np.full(count, ROW, np.uint32),
    )


def after(before: Population, plan: Plan) -> Population:
    """The population once the plan was carried out."""
    tier = before.tier.copy()
    tier[np.searchsorted(before.key, plan.keys)] = plan.tiers
    return replace(before, tier=tier)


def ask(policy: ActivationPolicy, before: Population) -> Population:
    return after(before, policy.plan(before, policy.budgets))


@st.composite
def populations(draw: st.DrawFn, sizes: bool = True) -> Population:
    """`sizes`: whether they differ; where they do not, what an average stands for does not change."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 500))
    drawn = np.random.default_rng(seed)
    activation = drawn.choice([0.0, 0.01, 0.5, 1.0, 2.0, 2.4, 3.0, 40.0], count)
    if draw(st.booleans()):
        activation = drawn.gamma(0.5, 2.0, count)
    found = population(activation, drawn.integers(0, 3, count))
    return replace(found, bytes=drawn.integers(1, 3000, count, np.uint32)) if sizes else found


POLICY = ActivationPolicy(hot_bytes=100 * ROW, warm_bytes=150 * ROW)


@given(populations())
@settings(max_examples=300)
def test_budgets_are_kept_once_the_plan_is_carried_out(before: Population) -> None:
    wanted = ask(POLICY, before)
    for tier, budget in ((Tier.HOT, POLICY.budgets.hot), (Tier.WARM, POLICY.budgets.warm)):
        assert int(before.bytes_if_in(tier)[wanted.tier == tier].sum()) <= budget


@given(populations(sizes=False))
@settings(max_examples=300)
def test_a_plan_that_was_carried_out_leaves_next_to_nothing_to_do(before: Population) -> None:
    settled = ask(POLICY, before)
    then = ask(POLICY, settled)

    moved = then.tier != settled.tier  # at most the faint, who may be enough for a segment only now
    assert (settled.tier[moved] == WARM).all() and (then.tier[moved] == COLD).all()
    assert (settled.activation[moved] <= POLICY.cold_max).all()
    assert len(POLICY.plan(then, POLICY.budgets)) == 0


@given(populations(sizes=False), st.floats(0.0, 1.0))
@settings(max_examples=100)
def test_time_alone_brings_nobody_up(before: Population, decay: float) -> None:
    settled = ask(POLICY, before)
    older = replace(settled, activation=settled.activation * np.float32(decay))
    assert (ask(POLICY, older).tier >= settled.tier).all()


@given(populations())
@settings(max_examples=200)
def test_whoever_sinks_is_fainter_than_whoever_stays(before: Population) -> None:
    wanted = ask(POLICY, before)
    sunk = (before.tier == HOT) & (wanted.tier != HOT)
    stayed = (before.tier == HOT) & (wanted.tier == HOT)
    if sunk.any() and stayed.any():
        assert before.activation[sunk].max() <= before.activation[stayed].min()


def test_a_tier_within_its_budget_keeps_all_it_has() -> None:
    idle = population(np.full(90, 1e-9), HOT)
    assert len(POLICY.plan(idle, POLICY.budgets)) == 0


def test_a_tier_over_its_budget_sinks_to_less_than_it() -> None:
    wanted = ask(POLICY, population(np.arange(101) + 1.0, HOT))
    assert np.count_nonzero(wanted.tier == HOT) == FILLED * 100
    assert (wanted.tier[:11] == WARM).all()


def test_of_equals_the_oldest_sink() -> None:
    wanted = ask(POLICY, population(np.ones(400), HOT))
    assert (np.diff(wanted.tier.astype(int)) <= 0).all()
    assert [np.count_nonzero(wanted.tier == tier) for tier in (HOT, WARM, COLD)] == [90, 135, 175]


def test_one_recall_does_not_bring_a_memory_up_and_a_second_does() -> None:
    assert ask(POLICY, population([1.4], COLD)).tier[0] == COLD
    assert ask(POLICY, population([2.1], COLD)).tier[0] == HOT
    assert ask(POLICY, population([2.1], WARM)).tier[0] == HOT


@pytest.mark.parametrize(("livelier", "tier"), [(0.99 * RESIDENT, WARM), (1.01 * RESIDENT, HOT)])
def test_two_of_a_kind_do_not_change_places(livelier: float, tier: int) -> None:
    full = np.array([HOT] * 90 + [WARM], np.uint8)
    activation = np.append(np.full(90, 3.0), 3.0 * livelier)
    assert ask(POLICY, population(activation, full)).tier[-1] == tier


def test_a_faint_warm_memory_sinks_though_there_is_room() -> None:
    wanted = ask(POLICY, population([0.04, 0.04, 0.5, 1.0], WARM))
    assert wanted.tier.tolist() == [COLD, COLD, WARM, WARM]


def test_a_faint_few_wait_for_more() -> None:
    assert len(POLICY.plan(population([0.04, *[1.0] * 50], WARM), POLICY.budgets)) == 0


def test_a_plan_over_many_that_are_cold_takes_little_memory() -> None:
    rows = 400_000
    tiers = np.full(rows, Tier.COLD)
    tiers[: rows // 20] = Tier.HOT
    everybody = population(np.zeros(rows), tiers)
    tracemalloc.start()
    try:
        ActivationPolicy().plan(everybody, TierBudgets())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 6 * rows  # bytes


def test_nothing_comes_of_nothing() -> None:
    assert len(POLICY.plan(population([], HOT), POLICY.budgets)) == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"half_life": "a week"}, "half_life.*7d"),
        ({"half_life": 0}, "half_life"),
        ({"half_life": -3.0}, "half_life"),
        ({"half_life": float("nan")}, "half_life"),
        ({"half_life": True}, "half_life"),
        ({"hot_bytes": 4096}, "hot_bytes is 4096.*smaller than one segment.*65536"),
        ({"warm_bytes": "1KB"}, "warm_bytes is '1KB'.*smaller than one segment"),
        ({"hot_bytes": "lots"}, "hot_bytes"),
        ({"hot_min": -1}, "hot_min"),
        ({"cold_max": "low"}, "cold_max"),
        ({"hot_min": 1.0, "cold_max": 1.0}, "cold_max is 1.0 and hot_min 1.0"),
    ],
    ids=str,
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(engram.InvalidInput, match=named):
        ActivationPolicy(**wrong)


class Own:
    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        return Plan.nothing()


class Misbudgeted(Own):
    budgets = 12


class Mistimed(Own):
    half_life = "soon"


@pytest.mark.parametrize(
    "wrong", [None, ActivationPolicy, Own, object(), "lru", Misbudgeted(), Mistimed()], ids=repr
)
def test_what_is_no_policy_is_refused(wrong: Any) -> None:
    with pytest.raises(engram.InvalidInput, match=r"policy|half_life"):
        engram.Config(policy=wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"budgets": 10},
        {"page_cache_bytes": "64KB"},
        {"page_cache_bytes": 0},
        {"migration_interval": "often"},
        {"migration_interval": 0},
        {"compaction_bandwidth": 0},
        {"compaction_bandwidth": "fast"},
    ],
    ids=str,
)
def test_other_settings_of_the_tiers_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(engram.InvalidInput, match=next(iter(wrong))):
        engram.Config(**wrong)


@pytest.mark.parametrize("tier", ["hot_ms", "warm_ms", "cold_ms"])
@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "10", True])
def test_a_latency_budget_is_above_nothing(tier: str, wrong: Any) -> None:
    with pytest.raises(engram.InvalidInput, match=f"{tier}.*None for no limit"):
        LatencyBudgets(**{tier: wrong})


def test_no_limit_is_a_latency_budget() -> None:
    assert LatencyBudgets(cold_ms=None).microseconds() == (10_000.0, 10_000.0, float("inf"))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("7d", 604_800.0),
        ("1.5 h", 5400.0),
        ("200ms", 0.2),
        (" 2w ", 1_209_600.0),
        ("3", 3.0),
    ],
)
def test_times_are_read_as_people_write_them(written: Any, seconds: float) -> None:
    assert parse_duration(written, "time") == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", ["", "d", "7 days", "-1d", "1e3s", None, True, float("inf"), "0s", [7]])
def test_other_times_are_refused(wrong: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="time is"):
        parse_duration(wrong, "time")


def test_budgets_too_small_for_the_dimension_are_refused_at_opening(folder: Any) -> None:
    config = engram.Config(policy=ActivationPolicy(hot_bytes="100KB"))
    with pytest.raises(engram.InvalidInput, match=r"hot_bytes is 100000.*16384 dimensions"):
        engram.open(folder, 16_384, config=config)
    engram.open(folder, 16_384).close()  # nothing keeps its lock
