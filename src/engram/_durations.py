"""Lengths of time, written as seconds or as people write them."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from ._errors import InvalidInput

Duration: TypeAlias = float | int | str

_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_duration(value: object, name: str) -> float:
    """Seconds in a length of time such as ``90``, ``"30s"``, ``"12h"`` or ``"7d"``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
            value = "an integer beyond all floats"
    elif isinstance(value, str) and (written := _WRITTEN.fullmatch(value)) and written[2] in _UNITS:
        seconds = float(written[1]) * _UNITS[written[2]]
    else:
        units = ", ".join(unit for unit in _UNITS if unit)
        raise InvalidInput(f'{name} is {value!r}; give seconds or a time such as "30s" or "7d" ({units})')
    if not (math.isfinite(seconds) and seconds > 0):
        raise InvalidInput(f"{name} is {value!r}; a length of time is finite and above 0")
    return seconds
