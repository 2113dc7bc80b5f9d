"""Policies to hold the activation policy against: they fill the same tiers, by another measure of worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import engram
from engram import ActivationPolicy, Plan, Population, Tier, TierBudgets

Worth = Callable[[Population], NDArray[np.float32]]


@dataclass(frozen=True)
class Layout:
    """The memories in the order in which they were stored: so many hot, so many warm, the rest cold."""

    hot: int
    warm: int
    budgets: TierBudgets = field(default_factory=lambda: TierBudgets("100GB", "100GB"))

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        wanted = np.full(len(population), Tier.COLD, np.uint8)
        order = np.argsort(population.key)
        wanted[order[: self.hot]] = Tier.HOT
        wanted[order[self.hot : self.hot + self.warm]] = Tier.WARM
        return Plan.between(population, wanted)


class ByWorth:
    """Keeps what is worth most, as `ActivationPolicy` keeps what is liveliest; all else is the same."""

    def __init__(self, worth: Worth, budgets: TierBudgets, half_life: Any = "7d") -> None:
        self.budgets = budgets
        self.half_life = half_life
        self._worth = worth
        self._fill = ActivationPolicy(
            hot_bytes=budgets.hot, warm_bytes=budgets.warm, hot_min=1e-30, cold_max=0.0
        )

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        return self._fill.plan(replace(population, activation=self._worth(population)), budgets)


def least_recently_used(population: Population) -> NDArray[np.float32]:
    """What was accessed last is worth most."""
    worth: NDArray[np.float32] = np.reciprocal(population.age + np.float32(1))
    return worth


def least_frequently_used(population: Population) -> NDArray[np.float32]:
    """With a half-life beyond the run, an activation counts the accesses."""
    return population.activation


def at_random(seed: int, recent: float) -> Worth:
    """What was accessed in the last `recent` seconds comes in; who makes room for it is drawn."""
    drawn = np.random.default_rng(seed)

    def worth(population: Population) -> NDArray[np.float32]:
        resident = drawn.random(len(population), np.float32) * (population.tier != Tier.COLD)
        found: NDArray[np.float32] = np.where(population.age <= recent, np.float32(2), resident)
        return found

    return worth


def contenders(budgets: TierBudgets) -> dict[str, engram.MigrationPolicy]:
    """By name; each is asked for the same run."""
    return {
        "activation": ActivationPolicy(hot_bytes=budgets.hot, warm_bytes=budgets.warm),
        "LRU": ByWorth(least_recently_used, budgets),
        "LFU": ByWorth(least_frequently_used, budgets, half_life=1e12),
        "random": ByWorth(at_random(0, recent=3600.0), budgets),
    }
