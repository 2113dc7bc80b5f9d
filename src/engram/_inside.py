"""Calls that come from within a store's own work, and would wait for themselves.

The program's own code runs there: policies, clocks, log handlers, and signal handlers anywhere. The locks
around that work are RLocks, which know their owner, taken by `with` alone: Ctrl-C never leaves one held. What
wakes its threads are `Flag`s, which a handler may set at any time.
"""

from __future__ import annotations

from threading import RLock
from typing import Any

from ._errors import EngramError

INSIDE = (
    "the call comes from within this very store's work (from its policy, its clock, a log handler or a "
    "signal handler) and would wait for itself: make it once that work is done"
)

Lock = Any  # what RLock makes, whose type has no name


def make_lock() -> Lock:
    """One whose owner can be asked for."""
    return RLock()


def is_mine(lock: Lock) -> bool:
    """Whether this thread holds it."""
    return bool(lock._is_owned())  # as threading.Condition asks


def refuse_if_mine(*locks: Lock) -> None:
    """Raises EngramError where this thread holds one of them."""
    if any(map(is_mine, locks)):
        raise EngramError(INSIDE)
