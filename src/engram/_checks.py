"""Checks of arguments that are neither vectors nor memories."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ._errors import InvalidInput


def check_int(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as an int of at least `least` (and at most `most`); numpy's integers count, bools do not."""
    try:
        number: int | None = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"{name} is {value!r}; give an integer of at least {least}")
    if number < least:
        raise InvalidInput(f"{name} is {number}; it must be at least {least}")
    if most is not None and number > most:
        raise InvalidInput(f"{name} is {number}; it must be at most {most}")
    return number


def check_number(name: str, value: object, remedy: str) -> float:
    """`value` as a finite float; numpy's numbers count, bools do not."""
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidInput(f"{name} is {value!r}; {remedy}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInput(f"{name} is {value!r}; {remedy}")
    return number


def check_timeout(name: str, value: object) -> float | None:
    """`value` as seconds of at least 0, or None for no limit."""
    if value is None:
        return None
    seconds = check_number(name, value, "give seconds of at least 0, or None for no limit")
    if seconds < 0:
        raise InvalidInput(f"{name} is {value!r}; give seconds of at least 0, or None for no limit")
    return seconds


def check_word(name: str, value: object, words: tuple[str, ...]) -> Any:
    """`value` if it is one of some words."""
    if isinstance(value, str) and value in words:
        return value
    raise InvalidInput(f"{name} is {value!r}; it is one of {', '.join(map(repr, words))}")
