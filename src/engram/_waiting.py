"""Waits in slices, so that Ctrl-C and other trouble are seen meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

_SLICE = 0.1  # seconds


def slices(timeout: float | None) -> Iterator[float]:
    """Seconds to wait for at once, again and again until `timeout` seconds have passed (None: for ever)."""
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        yield max(0.0, min(_SLICE, left))
        if left <= _SLICE:
            return
