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
_MOST = 2**63 - 1  # what the native side counts in
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_size(value: object, name: str) -> int:
    """Bytes in a size such as ``4194304``, ``"4MiB"`` or ``"256 MB"``."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (written := _WRITTEN.fullmatch(value)) and written[2].upper() in _UNITS:
        size = int(min(float(written[1]) * _UNITS[written[2].upper()], 2.0**63))
    else:
        raise InvalidInput(f'{name} is {value!r}; give a number of bytes or a size such as "4MiB" or "256MB"')
    if size < 1:
        raise InvalidInput(f"{name} is {value!r}; a size is at least 1 byte")
    if size > _MOST:
        raise InvalidInput(f"{name} is {_short(value)}; a size is at most {_MOST} bytes")
    return size


def _short(value: int | str) -> str:
    text = repr(value) if isinstance(value, str) else f"about 2**{value.bit_length() - 1}"
    return text if len(text) <= 40 else f"{text[:40]}..."
