"""Takes what was stored from the native queue and puts it into the graph and the catalog."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator

from . import _native
from ._events import tell
from ._flag import Flag
from ._inside import is_mine, make_lock, refuse_if_mine
from ._threads import join_through_interrupts
from .catalog import Catalog
from .checkpoints import Checkpoints

_BATCH = (64, 2048)  # memories: as many as wait, within these
_IDLE_SECONDS = 5.0  # how long it sleeps in the queue when nothing comes; arrivals and stop() wake it
_COMMIT_SECONDS = 0.25  # how long what is indexed waits for company on its way into the catalog
_RETRY_SECONDS = (0.05, 2.0)  # the first pause after a failure, and the longest
_TRIES = 3  # of one batch until what fails of it is set aside; failures in a row until waiters are told


def _nothing() -> None:
    pass


class Indexer:
    """Batch after batch into the graph, and what has come together into the catalog.

    Both take from RAM what the log holds; into the catalog goes nothing that is not synced there. What cannot
    be done is kept and tried again: until it is in the graph a memory is recalled from the queue, and until
    it is in the catalog its texts are read from there.

    Either the thread that `start` starts works, or whoever calls `step`, one at a time.
    """

    def __init__(self, store: _native.Store, catalog: Catalog, checkpoints: Checkpoints) -> None:
        self._store = store
        self._catalog = catalog
        self._checkpoints = checkpoints
        self._working = make_lock()  # held while a batch goes into graph or catalog
        self._pausing = make_lock()
        self._resume = Flag(is_set=True)  # not set: the thread is to let somebody else have `_working`
        self._held: list[_native.Batch] = []  # taken, not yet indexed: at most one
        self._tries = 0  # to index the held one, failed
        self._refusals = 0  # of the catalog, in a row
        self._stopping = Flag()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._at_end: Callable[[], None] | None = None
        self._commit_by = 0.0
        self.after_batch: Callable[[], None] = _nothing  # called with no lock held
        self.batches = 0
        self.commits = 0
        self.failures = 0
        self.restarts = 0
        self.died = False
        self.last_error: BaseException | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether this very thread indexes, or keeps indexing from going on: it cannot wait for that."""
        return self._thread is threading.current_thread() or is_mine(self._working) or is_mine(self._pausing)

    # -- one step after another, in the calling thread

    def step(self, *, background: bool = False) -> bool:
        """Indexes one batch. False: there is none.

        Raises
        ------
        EngramError
            The batch could not be indexed; the next call tries the same one again.
        """
        refuse_if_mine(self._working)
        with self._working:
            self._take(0.0)
            return self._index_held(background=background)

    def drain(self) -> None:
        """Until the queue is empty and the catalog holds all of it."""
        while self.step():
            if self._store.commit_due:
                self.commit()
        self.commit()

    def commit(self) -> None:
        """Puts what is indexed into the catalog."""
        refuse_if_mine(self._working)
        with self._working:
            self._commit()

    def index_through(self, lsn: int) -> None:
        """Until the record at `lsn` is in the graph; a failure is told and left for the next call."""
        if is_mine(self._working):  # a log handler that stores: whoever it interrupts goes on afterwards
            return
        try:
            while self._store.indexed_lsn <= lsn and self.step():
                pass
            if self._store.commit_due:
                with self._working:
                    self._commit()
                    self._checkpoints.take_if_due()
            self.after_batch()
        except Exception as error:  # the memory is stored and visible all the same
            self._report(error)

    def make_room(self) -> None:
        """Does what there is to do, in the calling thread; a failure is told and left for the next call."""
        try:
            self.drain()
        except Exception as error:
            self._report(error)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Between two batches: what the graph holds is in the catalog, and neither changes meanwhile."""
        refuse_if_mine(self._working, self._pausing)
        with self._pausing:
            self._resume.clear()
            try:
                with self._working:
                    if self._store.aside:
                        self._store.retry_aside()
                    self._commit()
                    yield
            finally:
                self._resume.set()

    def finish(self) -> None:
        """Leaves little to the next open; what cannot be done now is told and left to it."""
        try:
            with self.paused():
                self._checkpoints.take_at_close()
                self._checkpoints.sweep.run_after_kill()
        except Exception as error:
            self._report(error)

    def trouble(self) -> str | None:
        """What keeps the indexer from going on, if something does."""
        if max(self._tries, self._refusals) < _TRIES:
            return None
        return f"indexing fails ({type(self.last_error).__name__}: {self.last_error})"

    def set_aside(self) -> str | None:
        """What could not be indexed, if there is such; it is recalled from the queue."""
        count = self._store.aside
        if not count:
            return None
        return f"{count} memories could not be indexed ({self.last_error}) and are set aside"

    # -- the thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="engram-indexer", daemon=True)
        self._thread.start()

    def revive(self) -> None:
        """Starts the thread again if it died."""
        with self._starting:
            if not self.died or self._stopping.is_set():
                return
            self.died = False
            self.restarts += 1
            self.start()
        tell(logging.WARNING, "indexer.restarted", "the indexer's thread had died and was started again")

    def stop(self, then: Callable[[], None]) -> None:
        """Ends the thread, whatever is left to index, and calls `then`."""
        with self._starting:
            self._stopping.set()
        self._store.stop_indexing()
        if self._thread is threading.current_thread():  # the garbage collector dropped the store right here
            self._at_end = then
            return
        interrupted = join_through_interrupts(self._thread)
        with self._working:  # a checkpoint under way ends first
            then()
        if interrupted is not None:
            raise interrupted

    def _run(self) -> None:
        pause = _RETRY_SECONDS[0]
        ended = False
        self._commit_by = time.monotonic()  # at once, if one that died has left something
        try:
            while not self._stopping.is_set():
                try:
                    self._turn()
                    self.after_batch()
                    pause = _RETRY_SECONDS[0]
                except Exception as error:
                    self._report(error)
                    self._stopping.wait(pause)
                    pause = min(2 * pause, _RETRY_SECONDS[1])
            ended = True
        finally:
            if not ended:
                # Whoever stores, waits or asks next starts another; it goes on with the batch this one held.
                self.died = True
                self._store.interrupt_waits()
        if self._at_end is not None:
            self._at_end()

    def _turn(self) -> None:
        # Only this thread takes: no lock while it waits.
        self._take(_COMMIT_SECONDS if self._commit_by else _IDLE_SECONDS)
        idle = not self._held
        self._resume.wait()
        with self._working:
            if idle and self._store.aside:
                self._store.retry_aside()
            indexed = self._index_held(background=True)
            now = time.monotonic()
            if indexed and not self._commit_by:
                self._commit_by = now + _COMMIT_SECONDS
            # Idle: also what a thread that died has left.
            if idle or (self._commit_by and (now >= self._commit_by or self._store.commit_due)):
                self._commit()
                self._checkpoints.take_if_due()
            if idle:
                self._checkpoints.sweep.run_after_kill()

    # -- inside; `_working` is held, but by the thread while it waits for work

    def _take(self, wait: float) -> None:
        if not self._held:
            most = min(max(self._store.depth, _BATCH[0]), _BATCH[1])
            take = functools.partial(self._store.take_batch, most)
            # In one call, within which no signal is handled: Ctrl-C must not lose a batch that was taken,
            # nor, below, have one indexed twice.
            self._held.extend(filter(None, map(take, (wait,))))

    def _index_held(self, *, background: bool) -> bool:
        if not self._held:
            return False
        done: list[None] = []
        try:
            index = functools.partial(self._store.index, background=background)
            done.extend(map(index, self._held))
        except Exception as error:
            self._tries += 1
            self._failed(error, self._tries)
            if self._tries < _TRIES:
                raise
            self._set_aside()
        finally:
            if done:
                self._held = []
        self._tries = 0
        self.batches += 1
        return True

    def _set_aside(self) -> None:
        count = self._store.set_aside(self._held[0])
        self._held = []
        tell(
            logging.ERROR,
            "batch.set_aside",
            f"{count} memories could not be indexed and are recalled by scan from now on: {self.last_error}",
            memories=count,
        )

    def _commit(self) -> None:
        batch = self._store.uncommitted()
        self._commit_by = 0.0
        if not len(batch):
            return
        try:
            if batch.through > self._catalog.applied:
                self._store.sync_for(batch)
                self._catalog.apply(batch.rows(), batch.retired, batch.through)
            self._store.committed(batch)
        except Exception as error:
            self._commit_by = time.monotonic()
            self._refusals += 1
            self._failed(error, self._refusals)
            raise
        self.commits += 1
        self._refusals = 0

    def _failed(self, error: Exception, times: int) -> None:
        self.failures += 1
        self.last_error = error
        if times >= _TRIES:
            self._store.interrupt_waits()  # those who wait for room learn why there is none

    def _report(self, error: Exception) -> None:
        if max(self._tries, self._refusals) > 1:
            return  # said already
        tell(
            logging.ERROR,
            "batch.failed",
            f"a batch could not be indexed and will be tried again: {error}",
            error=error,
        )
