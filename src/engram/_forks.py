"""What a fork does to open stores: the child lets go of them; files and threads stay the parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Abandonable(Protocol):
    """Something that a forked child must not use."""

    def abandon(self) -> None:
        """Called in the child, where only this thread lives on."""


_watched: weakref.WeakSet[Abandonable] = weakref.WeakSet()


def watch(thing: Abandonable) -> None:
    """Has `thing` abandoned in every child forked from now on."""
    _watched.add(thing)


def unwatch(thing: Abandonable) -> None:
    """Ends that."""
    _watched.discard(thing)


def watched() -> list[Abandonable]:
    """What is open in this process."""
    return list(_watched)


def _abandon_all() -> None:
    for thing in list(_watched):
        thing.abandon()
    _watched.clear()


os.register_at_fork(after_in_child=_abandon_all)
