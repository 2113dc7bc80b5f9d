"""Measures the recall of a store while it is used, without costing more than it may."""

from __future__ import annotations

import contextlib
import logging
import threading

from . import _native
from ._events import tell
from ._flag import Flag
from ._threads import join_through_interrupts

_WAIT_SECONDS = 5.0  # how long it sleeps when nobody recalls; a recall and stop() wake it
_LEAST_PAUSE = 0.05  # seconds: a small store's probes cost nearly nothing, but nobody needs so many


class Prober:
    """A thread that answers a cue exactly, and rests until that was at most `share` of a processor."""

    def __init__(self, store: _native.Store, share: float) -> None:
        self._store = store
        self._share = share
        self._stopping = Flag()
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # of a processor, so far

    def start(self) -> None:
        """Starts the thread, unless it may cost nothing."""
        if self._share > 0:
            self._thread = threading.Thread(target=self._run, name="engram-prober", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread; waits for a probe under way, unless called within it."""
        self._stopping.set()
        self._store.stop_probing()
        if self._thread is threading.current_thread():
            return
        interrupted = join_through_interrupts(self._thread)
        if interrupted is not None:
            raise interrupted

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                cost = self._store.probe(_WAIT_SECONDS)
            except BaseException as error:  # such as short memory: the store goes on without being measured
                with contextlib.suppress(BaseException):  # of a log handler
                    tell(logging.WARNING, "probe.failed", f"the recall probe failed: {error}", error=error)
                cost = _WAIT_SECONDS
            if cost is not None:
                self.seconds += cost
                self._stopping.wait(max(_LEAST_PAUSE, cost / self._share - cost))
