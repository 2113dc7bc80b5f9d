"""Takes rows out of the catalog that belong to no memory: what kills leave there.

What replaced or forgot a version names the row that goes, and is replayed after a kill. But a checkpoint may
have let go of the old version by then, and so may a segment: the replay no longer knows of it, and its row
would stay for ever.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._breath import breathe
from ._errors import CorruptionError, EngramError
from ._events import tell
from .catalog import Catalog

_AT_ONCE = 256


def rows_of_no_memory(native: _native.Store, catalog: Catalog) -> Iterator[list[int]]:
    """The keys of all rows whose memory has another version by now, or is forgotten; in pieces.

    Others may store, move and commit meanwhile. A row that does not match its checksum is not among them:
    nobody knows whose it is.
    """
    # Without a lock, so that what moves just now may be missing: each that is gets looked up by its id.
    present = native.tier_table(0.0)["key"]
    present.sort()
    for piece in catalog.key_pieces():
        breathe()
        if gone := _gone(native, catalog, _missing(piece, present)):
            yield gone


class Sweep:
    """One sweep of the catalog after each open for writing: the process before may have been killed."""

    def __init__(self, native: _native.Store, catalog: Catalog) -> None:
        self._native = native
        self._catalog = catalog
        self._due = False
        self._after_kill = False

    def arm(self, *, after_kill: bool) -> None:
        self._due = True
        self._after_kill = after_kill

    def run(self) -> None:
        """At the next checkpoint, to which it adds little: it reads the keys of all rows."""
        if not self._due:
            return
        for gone in rows_of_no_memory(self._native, self._catalog):
            # What replaced or forgot them must be on the disk before they leave it.
            self._native.flush()
            self._catalog.drop(gone)
        self._due = False

    def run_after_kill(self) -> None:
        """Sooner than at a checkpoint, where rows are likely to be left."""
        if not self._after_kill:
            return
        self._after_kill = False
        try:
            self.run()
        except EngramError as error:  # nothing is lost but room
            tell(logging.WARNING, "sweep.failed", f"the catalog keeps rows of no memory: {error}")


def _missing(keys: Sequence[int], present: NDArray[np.uint64]) -> list[int]:
    """Those of the keys that are not among `present`, which is sorted."""
    wanted = np.asarray(keys, np.uint64)
    at = np.searchsorted(present, wanted)
    known = np.zeros(len(wanted), np.bool_)
    inside = at < len(present)
    known[inside] = present[at[inside]] == wanted[inside]
    return [int(key) for key in wanted[~known]]


def _gone(native: _native.Store, catalog: Catalog, keys: Sequence[int]) -> list[int]:
    """Those of the keys whose row names a memory that has another key by now, or none."""
    gone: list[int] = []
    for at in range(0, len(keys), _AT_ONCE):
        breathe()
        with contextlib.suppress(CorruptionError):  # which `verify` tells of
            rows = catalog.read(keys[at : at + _AT_ONCE])
            gone.extend(key for key, row in rows.items() if native.key(row.id) != key)
    return gone
