"""Policies that tests give to a store."""

from __future__ import annotations

from typing import Any

import numpy as np

from engram import Plan, Population, TierBudgets


class Scatter:
    """Moves every memory to a tier drawn anew each time."""

    def __init__(self, seed: int) -> None:
        self._drawn = np.random.default_rng(seed)

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        return Plan.between(population, self._drawn.integers(0, 3, len(population), np.uint8))


class Everything:
    """Moves every memory to one tier, which may be changed."""

    def __init__(self, tier: int) -> None:
        self.tier = tier

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        return Plan.between(population, np.full(len(population), self.tier, np.uint8))


class Misbehaving:
    """Answers what it is given to answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        if isinstance(self.answer, BaseException):
            raise self.answer
        found: Plan = self.answer(population) if callable(self.answer) else self.answer
        return found

    def __repr__(self) -> str:
        return "Misbehaving()"
