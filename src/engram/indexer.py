"""Takes what was stored from the native queue and puts it into the catalog and the graph."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator

from . import _native
from ._errors import EngramError
from .catalog import Catalog
from .checkpoints import Checkpoints

_log = logging.getLogger("engram")

BATCH = 2048  # memories
_IDLE_SECONDS = 5.0  # how long it sleeps in the queue when nothing comes; arrivals and stop() wake it
_RETRY_SECONDS = (0.05, 2.0)  # the first pause after a failure, and the longest
_PATIENCE = 3  # failures of one batch in a row before waiters are told


class Indexer:
    """One batch after another: log synced, catalog committed, graph; so that nothing outruns the log.

    A batch that fails is kept and tried again; its memories stay recallable from the queue meanwhile.
    Either the thread that `start` starts works, or whoever calls `step`, one at a time.
    """

    def __init__(self, store: _native.Store, catalog: Catalog, checkpoints: Checkpoints) -> None:
        self._store = store
        self._catalog = catalog
        self._checkpoints = checkpoints
        self._working = threading.Lock()  # held while a batch goes into catalog and graph
        self._pausing = threading.Lock()
        self._resume = threading.Event()  # clear: the thread is to let somebody else have `_working`
        self._resume.set()
        self._held: list[_native.Batch] = []  # taken, not yet indexed: at most one
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._at_end: Callable[[], None] | None = None
        self.batches = 0
        self.failures = 0
        self.failed_in_a_row = 0
        self.last_error: BaseException | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def step(self) -> bool:
        """Indexes one batch. False: there is none.

        Raises
        ------
        EngramError
            The batch could not be indexed; the next call tries the same one again.
        """
        with self._working:
            self._take(0.0)
            return self._index_held()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Between two batches: what the graph holds is in the catalog, and neither changes meanwhile."""
        with self._pausing:
            self._resume.clear()
            try:
                with self._working:
                    yield
            finally:
                self._resume.set()

    def _take(self, wait: float) -> None:
        if not self._held:
            take = functools.partial(self._store.take_batch, BATCH)
            # In one call, within which no signal is handled: Ctrl-C must not lose a batch that was taken,
            # nor, below, have one indexed twice.
            self._held.extend(filter(None, map(take, (wait,))))

    def _index_held(self) -> bool:
        if not self._held:
            return False
        done: list[None] = []
        try:
            self._commit(self._held[0])
            done.extend(map(self._store.index, self._held))
        except Exception as error:
            self.failures += 1
            self.failed_in_a_row += 1
            self.last_error = error
            raise
        finally:
            if done:
                self._held = []
        self.batches += 1
        self.failed_in_a_row = 0
        return True

    def _commit(self, batch: _native.Batch) -> None:
        if batch.through > self._catalog.applied:
            self._store.sync_for(batch)
            self._catalog.apply(batch.rows, batch.retired, batch.through)

    def drain(self) -> None:
        """Indexes until the queue is empty."""
        while self.step():
            pass

    def index_through(self, lsn: int) -> None:
        """Indexes in the calling thread until the record at `lsn` is in; a failure is logged and left."""
        try:
            while self._store.indexed_lsn <= lsn and self.step():
                pass
            with self._working:
                self._checkpoints.take_if_due()
        except Exception as error:  # the memory is stored and visible all the same
            self._report(error)

    def trouble(self) -> str | None:
        """What keeps the indexer from going on, if something does."""
        if self.failed_in_a_row < _PATIENCE or self.last_error is None:
            return None
        return f"indexing fails ({type(self.last_error).__name__}: {self.last_error})"

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="engram-indexer", daemon=True)
        self._thread.start()

    def stop(self, then: Callable[[], None]) -> None:
        """Ends the thread, whatever is left to index, and calls `then`."""
        self._stopping.set()
        self._store.stop_indexing()
        if self._thread is threading.current_thread():  # the garbage collector dropped the store right here
            self._at_end = then
            return
        interrupted = self._join()
        with self._working:  # a checkpoint under way ends first
            then()
        if interrupted is not None:
            raise interrupted

    def _join(self) -> KeyboardInterrupt | None:
        """Waits for the thread to end, whatever Ctrl-C says: it uses what is closed next."""
        interrupted = None
        while self._thread is not None and self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as error:
                interrupted = error
        return interrupted

    def _run(self) -> None:
        pause = _RETRY_SECONDS[0]
        while not self._stopping.is_set():
            try:
                self._take(_IDLE_SECONDS)  # only this thread takes: no lock while it waits
                self._resume.wait()
                with self._working:
                    if self._index_held():
                        self._checkpoints.take_if_due()
                pause = _RETRY_SECONDS[0]
            except Exception as error:
                self._report(error)
                self._stopping.wait(pause)
                pause = min(2 * pause, _RETRY_SECONDS[1])
        if self._at_end is not None:
            self._at_end()

    def _report(self, error: Exception) -> None:
        if isinstance(error, EngramError) and self.failed_in_a_row > 1:
            return  # said already
        _log.error("a batch could not be indexed and will be tried again: %s", error, exc_info=error)
