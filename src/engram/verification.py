"""Checks that the parts of a store agree, memory by memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _native
from ._breath import breathe
from ._errors import CorruptionError
from .catalog import Catalog
from .catalog_sweep import rows_of_no_memory

_AT_ONCE = 256


@dataclass(frozen=True)
class Verification:
    """What was read and found sound.

    Attributes
    ----------
    memories : memories the store holds
    catalog_rows : rows of the catalog, each with the right checksum
    rows_of_no_memory : of them, those that a kill has left; the next checkpoint takes them away. (Also such
        as are about to go, when others store meanwhile.)
    native : what the native store checked, by name
    """

    memories: int
    catalog_rows: int
    rows_of_no_memory: int
    native: dict[str, int]


def verify_parts(native: _native.Store, catalog: Catalog, path: Path | None) -> Verification:
    """Reads everything; raises CorruptionError at the first disagreement. Others may store meanwhile."""
    checked = native.verify()
    rows = catalog.verify()
    ids = native.ids()
    for at in range(0, len(ids), _AT_ONCE):
        breathe()
        _check_known(native, catalog, ids[at : at + _AT_ONCE], path)
    left = sum(len(piece) for piece in rows_of_no_memory(native, catalog))
    return Verification(len(ids), rows, left, checked)


def _check_known(native: _native.Store, catalog: Catalog, ids: Sequence[str], path: Path | None) -> None:
    """Each memory is in the catalog under its current key, or still pending."""
    keys = [native.key(id) for id in ids]
    rows = catalog.read([key for key in keys if key is not None])
    for id, key in zip(ids, keys, strict=True):
        if key is None or (key in rows and rows[key].id == id):
            continue
        if native.payload(id, key) is None and key not in catalog.read([key]) and native.key(id) == key:
            raise CorruptionError(
                f"the catalog has lost the memory {id!r} (key {key}); run `engram repair` to keep the rest",
                str(path or ""),
            )
