"""Which memories live in which tier: what a policy is given, and what it answers.

A policy decides, the migrator carries out: a policy never touches the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ._durations import Duration, parse_duration
from ._errors import InvalidInput
from ._sizes import Size, parse_size

DEFAULT_HALF_LIFE = "7d"
SMALLEST_BUDGET = 64 << 10  # a segment of a few memories: pages of 4 KiB for each of its columns


class Tier(IntEnum):
    """Where a memory lives, from the fastest down."""

    HOT = 0
    WARM = 1
    COLD = 2


_ALL = slice(None)

TIERS = tuple(tier.name.lower() for tier in Tier)


@dataclass(frozen=True)
class TierBudgets:
    """How much the two upper tiers may take; the cold one takes the rest.

    Parameters
    ----------
    hot_bytes : RAM for the graph of the hot tier, e.g. ``"256MB"``
    warm_bytes : disk (and, as far as it is used, page cache) for the segments of the warm tier
    """

    hot_bytes: Size = "256MB"
    warm_bytes: Size = "2GB"

    def __post_init__(self) -> None:
        for name in ("hot_bytes", "warm_bytes"):
            size = parse_size(getattr(self, name), name)
            if size < SMALLEST_BUDGET:
                raise InvalidInput(
                    f"{name} is {getattr(self, name)!r}, which is smaller than one segment; "
                    f"give at least {SMALLEST_BUDGET} bytes"
                )

    @property
    def hot(self) -> int:
        """Bytes."""
        return parse_size(self.hot_bytes, "hot_bytes")

    @property
    def warm(self) -> int:
        """Bytes."""
        return parse_size(self.warm_bytes, "warm_bytes")

    def check_against(self, dim: int) -> None:
        """Raises InvalidInput when a budget cannot hold a segment of one memory of that dimension."""
        least = SMALLEST_BUDGET + 8 * dim  # its vector, its code, its links
        for name, size in (("hot_bytes", self.hot), ("warm_bytes", self.warm)):
            if size < least:
                raise InvalidInput(
                    f"{name} is {size} bytes, which is smaller than one segment of memories of {dim} "
                    f"dimensions; give at least {least}"
                )


@dataclass(frozen=True)
class Population:
    """Every memory that is indexed, as parallel arrays of shape (n,), in no order, not to be written to.

    Attributes
    ----------
    key : uint64, what a plan calls a memory by; the older of two has the smaller one
    tier : uint8, as `Tier`
    activation : float32, how alive it is now: 1 for each access, halving every half-life
    age : float32, seconds since it was stored, recalled or got
    bytes : uint32, about what it takes where it is: of RAM in the hot tier, of disk in the others
    hot_bytes : what a memory takes in the hot tier; 0: as much as those there on average
    """

    key: NDArray[np.uint64]
    tier: NDArray[np.uint8]
    activation: NDArray[np.float32]
    age: NDArray[np.float32]
    bytes: NDArray[np.uint32]
    hot_bytes: int = 0

    @classmethod
    def of(cls, table: Mapping[str, NDArray[Any]], hot_bytes: float) -> Population:
        """What a native table of tiers says."""
        for column in table.values():
            column.setflags(write=False)
        return cls(
            table["key"], table["tier"], table["activation"], table["idle"], table["bytes"], int(hot_bytes)
        )

    def __len__(self) -> int:
        return len(self.key)

    def at(self, rows: NDArray[np.intp]) -> Population:
        """Those at `rows` alone, in that order."""
        return Population(
            self.key[rows],
            self.tier[rows],
            self.activation[rows],
            self.age[rows],
            self.bytes[rows],
            self.hot_bytes,
        )

    def bytes_in(self, tier: Tier) -> int:
        """What all memories of a tier take there."""
        return int(self.bytes[self.tier == tier].sum(dtype=np.int64))

    def bytes_if_in(self, tier: Tier, of: NDArray[np.intp] | slice = _ALL) -> NDArray[np.int64]:
        """What each memory (or those at `of`) would take in a tier.

        Those of other tiers take as much there as its own on average.
        """
        sizes = self.bytes[of].astype(np.int64)
        elsewhere = self.tier[of] != tier
        if tier == Tier.HOT and self.hot_bytes:
            sizes[elsewhere] = self.hot_bytes
        elif elsewhere.any():
            residents = self.bytes[self.tier == tier]
            if len(residents):
                sizes[elsewhere] = int(np.ceil(residents.mean()))
        return sizes


@dataclass(frozen=True)
class Plan:
    """What is to move where; a memory that is not named stays.

    Parameters
    ----------
    keys : array of uint64, shape (n,), from `Population.key`
    tiers : array of uint8, shape (n,): where each of them is to live, as `Tier`
    """

    keys: NDArray[Any]
    tiers: NDArray[Any]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def nothing(cls) -> Plan:
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint8))

    @classmethod
    def between(cls, population: Population, wanted: NDArray[np.uint8]) -> Plan:
        """What brings each memory of a population to the tier that `wanted` names for it."""
        moving = wanted != population.tier
        return cls(population.key[moving], wanted[moving])


@runtime_checkable
class MigrationPolicy(Protocol):
    """Decides what moves: a class with this one method.

    It may also have the attributes `budgets` (a `TierBudgets`) and `half_life` (of activations, e.g. "7d");
    without them the defaults hold. It is asked by one thread at a time, outside every lock of the store.
    """

    def plan(self, population: Population, budgets: TierBudgets) -> Plan:
        """What is to move where. Called often: work on whole arrays."""


def budgets_of(policy: MigrationPolicy) -> TierBudgets:
    """What the tiers may take under a policy."""
    budgets = getattr(policy, "budgets", None)
    if budgets is None:
        return TierBudgets()
    if not isinstance(budgets, TierBudgets):
        raise InvalidInput(
            f"the budgets of the policy {policy!r} are {budgets!r}; give an engram.TierBudgets"
        )
    return budgets


def half_life_of(policy: MigrationPolicy) -> float:
    """Seconds in which an activation halves under a policy."""
    half_life: Duration | None = getattr(policy, "half_life", None)
    return parse_duration(DEFAULT_HALF_LIFE if half_life is None else half_life, "half_life")
