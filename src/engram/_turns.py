"""A lock that cannot be waited for by the thread that holds it."""

from __future__ import annotations

import threading
from types import TracebackType

from ._errors import EngramError

INSIDE = (
    "the call comes from within this very store's work (from its policy, its clock, a log handler or a "
    "signal handler) and would wait for itself: make it once that work is done"
)


class Turn:
    """Held by one thread at a time. Whoever has it and asks again gets an EngramError instead of a deadlock.

    The program's own code runs while it is held: policies, clocks, log handlers, signal handlers.
    """

    def __init__(self) -> None:
        # An RLock: between taking it and noting so a signal handler may run, and must not wait for ever.
        self._lock = threading.RLock()
        self._holder: int | None = None

    @property
    def mine(self) -> bool:
        """Whether this thread holds it."""
        return self._holder == threading.get_ident()

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.mine:
            self._lock.release()
            raise EngramError(INSIDE)
        self._holder = threading.get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None
        self._lock.release()
