"""What a recall is asked with, checked and put as the native store takes it; and what it answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

from . import _native
from ._checks import check_int
from ._clock import Clock
from ._errors import InvalidInput
from ._events import tell
from .latency import LatencyBudgets, check_milliseconds
from .policy import TIERS, Tier
from .recall import Recall, Rows

TierName: TypeAlias = Literal["hot", "warm", "cold"]
Where: TypeAlias = Iterable[TierName | Tier]

# k, ef, now, microseconds a tier, microseconds in all, a bit for each tier that is asked
Asked: TypeAlias = tuple[int, int, float, tuple[float, float, float], float, int]

_ALL = (1 << len(TIERS)) - 1


class Asking:
    """How broadly, how long and where a store looks."""

    def __init__(self, native: _native.Store, budgets: LatencyBudgets, clock: Clock) -> None:
        self._native = native
        self._clock = clock
        self._budgets_us = budgets.microseconds()
        self._told_of_damage = False

    def of(self, k: int, ef: int | None, budget_ms: float | None, tiers: Where | None) -> Asked:
        """What these come to in a store of this size, at this moment."""
        count = max(1, len(self._native))
        k = min(check_int("k", k, 1), count)
        ef = max(64, 2 * k) if ef is None else min(check_int("ef", ef, 1), max(64, 2 * count))
        total = check_milliseconds("budget_ms", budget_ms)
        return (
            k,
            ef,
            self._clock.now(),
            self._budgets_us,
            math.inf if total is None else 1000.0 * total,
            _ALL if tiers is None else _bits(tiers),
        )

    def answer(self, found: _native.Found, source: Rows) -> Recall:
        """What came back. That a damaged page took hits away is logged once; `stats` counts them."""
        damage = found.damage
        if damage is not None and not self._told_of_damage:
            self._told_of_damage = True
            message = f"a recall left out memories whose ids cannot be read: {damage}"
            tell(logging.ERROR, "recall.damaged", message, damage=damage)
        return Recall(found, source)


def _bits(tiers: Iterable[object]) -> int:
    remedy = f'give some of {", ".join(map(repr, TIERS))}, e.g. tiers=("hot",), or None for all'
    if isinstance(tiers, (str, bytes)) or not isinstance(tiers, Iterable):
        raise InvalidInput(f"tiers is {tiers!r}; {remedy}")
    bits = 0
    try:
        named = list(tiers)
    except TypeError as error:  # such as an array of no axis
        raise InvalidInput(f"tiers is {tiers!r}; {remedy}") from error
    for tier in named:
        if isinstance(tier, Tier):
            bits |= 1 << tier
        elif isinstance(tier, str) and tier in TIERS:
            bits |= 1 << TIERS.index(str(tier))
        else:
            raise InvalidInput(f"tiers names {tier!r}; {remedy}")
    if not bits:
        raise InvalidInput(f"tiers is empty; {remedy}")
    return bits
