"""Letting other threads of the program run within long work in Python."""

from __future__ import annotations

import time

_SECONDS = 5e-5


def breathe() -> None:
    """Gives the GIL up for long enough that a thread which waits for it wakes up and takes it.

    Without this the thread waits for `sys.getswitchinterval`, 5 ms, and as long again behind each other busy
    thread: too long for an event loop. Every millisecond or two is often enough.
    """
    time.sleep(_SECONDS)
