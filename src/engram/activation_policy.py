"""The default policy: the livelier a memory, the higher its tier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._checks import check_number
from ._durations import Duration, parse_duration
from ._errors import InvalidInput
from ._sizes import Size
from .policy import DEFAULT_HALF_LIFE, Plan, Population, Tier, TierBudgets

Mask = NDArray[np.bool_]

# A tier that is over its budget is emptied to this share of it, and nothing rises into the rest: so the next
# few memories that arrive move nobody, and what sinks does so in segments worth writing.
FILLED = 0.9
# Who is in a tier counts as this much livelier than who wants to come up: two of a kind do not change places.
RESIDENT = 1.25
# What is too faint for the warm tier, though there is room, leaves it once it is this share of it.
FAINT_SHARE = 0.1


@dataclass(frozen=True)
class ActivationPolicy:
    """Keeps the liveliest memories hot, the next warm and the rest cold.

    A memory sinks when its tier is over budget and the others there are livelier; it comes back to the hot
    tier when it is recalled often enough and livelier than those it would push out.

    Parameters
    ----------
    half_life : the time in which an activation halves, e.g. ``"7d"``
    hot_bytes : RAM for the hot tier
    warm_bytes : disk for the warm tier
    hot_min : the least activation with which a warm or cold memory comes up (each access adds 1)
    cold_max : a warm memory of no more than this sinks to the cold tier though there is room
    """

    half_life: Duration = DEFAULT_HALF_LIFE
    hot_bytes: Size = "256MB"
    warm_bytes: Size = "2GB"
    hot_min: float = 2.0
    cold_max: float = 0.05

    def __post_init__(self) -> None:
        parse_duration(self.half_life, "half_life")
        TierBudgets(self.hot_bytes, self.warm_bytes)
        for name in ("hot_min", "cold_max"):
            if check_number(name, getattr(self, name), "give an activation of at least 0") < 0:
                raise InvalidInput(f"{name} is {getattr(self, name)!r}; give an activation of at least 0")
        if self.cold_max >= self.hot_min:
            raise InvalidInput(
                f"cold_max is {self.cold_max!r} and hot_min {self.hot_min!r}; a memory must be livelier to "
                "rise than to sink: give a cold_max below hot_min"
            )

    @property
    def budgets(self) -> TierBudgets:
        """What the tiers may take."""
        return TierBudgets(self.hot_bytes, self.warm_bytes)

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        """Fills the hot tier with the liveliest, then the warm one; see `fill`."""
        # Most memories are cold and faint, and stay so: columns of all of them would take much memory.
        concerned = (population.tier != Tier.COLD) | (population.activation >= self.hot_min)
        return self._plan(population.at(np.flatnonzero(concerned)), budgets)

    def _plan(self, population: Population, budgets: TierBudgets) -> Plan:
        lives = population.tier
        lively = population.activation >= self.hot_min
        hot = fill(population, Tier.HOT, lives == Tier.HOT, lively, budgets.hot)

        # What leaves the hot tier comes to the warm one as if it had been there.
        resident = ((lives == Tier.WARM) | (lives == Tier.HOT)) & ~hot
        resident &= ~self._too_faint(population, resident)
        warm = fill(population, Tier.WARM, resident, lively & ~hot, budgets.warm)
        wanted = np.full(len(population), Tier.COLD, np.uint8)
        wanted[warm] = Tier.WARM
        wanted[hot] = Tier.HOT
        return Plan.between(population, wanted)

    def _too_faint(self, population: Population, resident: Mask) -> Mask:
        faint = resident & (population.activation <= self.cold_max)
        staying = faint & (population.tier == Tier.WARM)
        if np.count_nonzero(staying) < FAINT_SHARE * np.count_nonzero(resident):
            faint &= ~staying
        return faint


def fill(population: Population, tier: Tier, resident: Mask, wants_in: Mask, budget: int) -> Mask:
    """Who is in a tier of `budget` bytes afterwards, the liveliest first.

    Of those who want in, the ones who belong to the liveliest `FILLED` part of it come. If they and the
    residents are then more than the budget holds, the faintest go until that part is left. Asked again, it
    changes nothing: whoever came counts as livelier, whoever went as fainter than before.
    """
    who = np.flatnonzero(resident | wants_in)
    score = population.activation[who] * np.where(resident[who], np.float32(RESIDENT), np.float32(1))
    # Of equals, the youngest first.
    order = np.lexsort((~population.key[who], -score))
    who = who[order]
    sizes = population.bytes_if_in(tier, who)
    ends = np.cumsum(sizes)
    within = ends <= FILLED * budget
    stays = resident[who] | within
    if int(sizes[stays].sum()) > budget:
        stays = within
    chosen = np.zeros(len(population), np.bool_)
    chosen[who[stays]] = True
    return chosen
