"""A flag to wait for that a signal handler may set while the thread it interrupts is setting it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque


class Flag:
    """As `threading.Event`, but free of locks that its users share; from any thread.

    An Event holds a lock for some steps of Python while it is set. A signal handler that sets it then, within
    the very thread that it interrupts, waits for that lock for ever.
    """

    def __init__(self, *, is_set: bool = False) -> None:
        self._set = is_set
        self._waiting: deque[threading.Lock] = deque()  # one of each waiter, held by it until it is woken

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """Wakes all who wait, and lets those go on who come later."""
        self._set = True
        for bell in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # rung already, by a handler within this loop
                bell.release()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set; False when `timeout` seconds passed before."""
        bell = threading.Lock()
        bell.acquire()
        self._waiting.append(bell)  # before the look: who sets it looks for waiters afterwards
        try:
            return self._set or bell.acquire(timeout=-1 if timeout is None else timeout)
        finally:
            self._waiting.remove(bell)
