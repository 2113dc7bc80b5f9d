"""What is to move, checked and cut into batches, and what has moved: values without a thread or a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._errors import EngramError
from .policy import Plan, Population, Tier

_PIECE = 65_536  # memories looked at together

Reason = Literal["asked", "time", "budget"]


@dataclass(frozen=True)
class MigrationReport:
    """What one migration did.

    Attributes
    ----------
    at : when it began, in seconds by `Config.clock`
    reason : "asked" (by `migrate`), "time" (the interval was over) or "budget" (a tier was over its own)
    moved : how many memories went from where to where: {"hot->warm": 120, ...}
    stayed : named by the plan, but there already, or stored again, forgotten or not indexed meanwhile
    unknown : keys of the plan that no memory has
    refused : moves into a tier that had no room for them within its budget
    rewritten : segments that were merged or rid of dead rows
    bytes_written, seconds : what it cost
    error : why it ended early; None when it did not. What had moved by then has moved
    """

    at: float
    reason: Reason
    moved: dict[str, int] = field(default_factory=dict)
    stayed: int = 0
    unknown: int = 0
    refused: int = 0
    rewritten: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def total(self) -> int:
        """How many memories moved."""
        return sum(self.moved.values())


@dataclass(frozen=True)
class Moves:
    """A plan that can be carried out."""

    keys: NDArray[np.uint64]
    tiers: NDArray[np.uint8]
    bytes: NDArray[np.int64]  # each takes; 0 where the key is unknown

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, most_bytes: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint8]]]:
        """Pieces of about so many bytes, downward moves first: they make the room that the others need."""
        order = np.argsort(self.tiers == Tier.HOT, kind="stable")
        piece = np.cumsum(self.bytes[order]) // most_bytes
        for cut in np.split(order, np.flatnonzero(np.diff(piece)) + 1):
            if len(cut):
                yield self.keys[cut], self.tiers[cut]


def check_plan(plan: object, policy: object) -> Plan:
    """`plan` with arrays of the right types, or an EngramError that names the policy."""
    if not isinstance(plan, Plan):
        raise EngramError(f"the migration policy {policy!r} returned {plan!r}; it must return an engram.Plan")
    keys, tiers = (_array_of(getattr(plan, name), name, policy) for name in ("keys", "tiers"))
    for name, array in (("keys", keys), ("tiers", tiers)):
        if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
            raise EngramError(
                f"the migration policy {policy!r} returned {name} of the shape {array.shape} and the dtype "
                f"{array.dtype}; give one axis of integers"
            )
    if len(keys) != len(tiers):
        raise EngramError(
            f"the migration policy {policy!r} returned {len(keys)} keys and {len(tiers)} tiers; "
            "give one tier for each key"
        )
    wrong = (tiers < 0) | (tiers > max(Tier)) if len(tiers) else np.zeros(0, np.bool_)
    if wrong.any():
        raise EngramError(
            f"the migration policy {policy!r} returned the tier {int(tiers[wrong][0])}; "
            f"give engram.Tier values, 0 to {int(max(Tier))}"
        )
    if len(keys) and keys.dtype.kind == "i":
        keys = np.where(keys < 0, np.iinfo(np.int64).max, keys)  # known to nobody, and found so
    return Plan(np.ascontiguousarray(keys, np.uint64), np.ascontiguousarray(tiers, np.uint8))


def _array_of(value: Any, name: str, policy: object) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise EngramError(
            f"the migration policy {policy!r} returned {name} that make no array ({error}); "
            "give one axis of integers"
        ) from None


def last_of_each(plan: Plan) -> Plan:
    """A plan that names each memory once: where it was named last."""
    _, at = np.unique(plan.keys[::-1], return_index=True)
    rows = np.sort(len(plan) - 1 - at)
    return Plan(plan.keys[rows], plan.tiers[rows])


def within_budget(plan: Plan, population: Population, hot_budget: int) -> tuple[Moves, int]:
    """The moves of a plan but those last that would take the hot tier over its budget; how many they are.

    The plan names each memory once: see `last_of_each`.
    """
    place = _rows_of(plan.keys, population.key)
    known = place >= 0
    sizes = np.zeros(len(plan), np.int64)
    sizes[known] = population.bytes_if_in(Tier.HOT, place[known])
    there = np.full(len(plan), 255, np.uint8)
    there[known] = population.tier[place[known]]

    rising = known & (plan.tiers == Tier.HOT) & (there != Tier.HOT)
    leaving = known & (plan.tiers != Tier.HOT) & (there == Tier.HOT)
    room = hot_budget - population.bytes_in(Tier.HOT) + int(sizes[leaving].sum())
    refused = np.zeros(len(plan), np.bool_)
    refused[rising] = np.cumsum(sizes[rising]) > max(room, 0)
    going = ~refused
    return Moves(plan.keys[going], plan.tiers[going], sizes[going]), int(refused.sum())


def _rows_of(keys: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where each key is among the others; -1: nowhere. Takes little more memory than `keys` does."""
    wanted, which = np.unique(keys, return_inverse=True)
    rows = np.full(len(wanted), -1, np.intp)
    for begin in range(0, len(among) if len(wanted) else 0, _PIECE):
        piece = among[begin : begin + _PIECE]
        at = np.minimum(np.searchsorted(wanted, piece), len(wanted) - 1)
        found = np.flatnonzero(wanted[at] == piece)
        rows[at[found]] = begin + found
    return rows[which]


def add(report: MigrationReport, done: dict[str, Any]) -> MigrationReport:
    """A report, and what one native call added to it."""
    moved = dict(report.moved)
    for way, count in counted(done.get("moved", {})).items():
        moved[way] = moved.get(way, 0) + count
    return replace(
        report,
        moved=moved,
        stayed=report.stayed + done.get("stayed", 0),
        unknown=report.unknown + done.get("unknown", 0),
        rewritten=report.rewritten + done.get("rewritten", 0),
        bytes_written=report.bytes_written + done["bytes"],
        seconds=report.seconds + done["seconds"],
    )


def counted(moved: dict[tuple[str, str], int]) -> dict[str, int]:
    """{"hot->warm": n, ...} without the zeros."""
    return {f"{source}->{target}": count for (source, target), count in moved.items() if count}
