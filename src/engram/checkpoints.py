"""When a store writes its graph to disk by itself, so that opening need not build it from the log again."""

from __future__ import annotations

import logging
import time

from . import _native
from ._errors import EngramError
from ._events import tell
from .catalog import Catalog
from .catalog_sweep import Sweep

# What a close leaves to be replayed: about a tenth of a second of the next open.
CLOSE_BYTES = 1 << 20


class Checkpoints:
    """Takes checkpoints; whoever calls `take` sees to it that no batch is half indexed meanwhile.

    One is due when the log since the last has grown by `log_bytes` and by a third of what the graph takes: so
    what all checkpoints write stays within a few times what was stored.
    """

    def __init__(self, store: _native.Store, catalog: Catalog, log_bytes: int | None) -> None:
        self._store = store
        self._catalog = catalog
        self.sweep = Sweep(store, catalog)
        self._log_bytes = log_bytes
        self.came_up = (
            False  # whether memories did to the hot tier since: until then they are read from below
        )
        self._failed_at = 0  # the end of the log then: tried again once it has grown as much again

    def replay_bytes(self) -> int:
        """How much of the log an open would replay."""
        return self._store.end_lsn - self._store.checkpoint_lsn

    def take(self) -> int:
        begin = time.monotonic()
        self.sweep.run()
        self._catalog.sync()
        self.came_up = False
        lsn = self._store.checkpoint()
        seconds = time.monotonic() - begin
        tell(
            logging.INFO, "checkpoint.taken", f"a checkpoint up to {lsn} was taken", lsn=lsn, seconds=seconds
        )
        return lsn

    def take_if_due(self) -> None:
        if self._log_bytes is None:
            return
        since = self._store.end_lsn - max(self._store.checkpoint_lsn, self._failed_at)
        if since >= self._log_bytes and 3 * since >= self._store.stats()["hot"]["bytes"]:
            self._try()

    def take_at_close(self) -> None:
        if self._log_bytes is not None and (self.came_up or self.replay_bytes() >= CLOSE_BYTES):
            self._try()

    def _try(self) -> None:
        try:
            self.take()
        except EngramError as error:  # nothing is lost: the log still holds what it would have dropped
            self._failed_at = self._store.end_lsn
            tell(logging.WARNING, "checkpoint.failed", f"no checkpoint could be taken: {error}")
