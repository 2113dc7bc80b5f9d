"""How one figure comes about: warm up, run a few times, take the median."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.ann.metrics import median

Row = dict[str, Any]
_REPEATS = 5


def seconds_each(run: Callable[[], float], calls: int) -> float:
    """Seconds of one of the ``calls`` that ``run`` makes and times."""
    run()
    return median([run() for _ in range(_REPEATS)]) / calls
