"""Sizes in bytes, written as numbers or as people write them."""

from __future__ import annotations

import re
from typing import TypeAlias

from ._errors import InvalidInput

Size: TypeAlias = int | str

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(value: object, name: str) -> int:
    """Bytes in a size such as ``4194304``, ``"4MiB"`` or ``"256 MB"``."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (written := _WRITTEN.fullmatch(value)) and written[2].upper() in _UNITS:
        size = int(float(written[1]) * _UNITS[written[2].upper()])
    else:
        raise InvalidInput(f'{name} is {value!r}; give a number of bytes or a size such as "4MiB" or "256MB"')
    if size < 1:
        raise InvalidInput(f"{name} is {value!r}; a size is at least 1 byte")
    return size
