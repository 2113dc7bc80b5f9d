"""`AsyncMemoryStore`: a store for programs of asyncio, its verbs as coroutines."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, TypeVar

from numpy.typing import ArrayLike

from ._breath import breathe
from ._checks import check_int, check_timeout
from ._errors import QueueFull, note_stored
from ._parts import Fsync
from ._writing import Progress
from .memories import Memory, Metadata
from .migration import MigrationReport
from .opening import open as open_store
from .recall import Recall
from .store import MemoryStore
from .verification import Verification

T = TypeVar("T")

_SLICE = 0.1  # seconds that a call waits at once, so that a cancelled one ends soon
_IDS = 4096  # given out at once
_RECALLS_A_BREATH = 16  # whose texts are read: a millisecond


class AsyncMemoryStore:
    """The verbs of a `MemoryStore` as coroutines. No verb runs in the event loop: all work is in threads.

    A call that is cancelled has either been done or not when its task goes on, and is not done later: one
    that had begun comes to its end first. A cancelled `store_many` ends after the piece it was writing.

    Parameters
    ----------
    store : what it stands before; it may be used directly as well
    threads : how many calls that write, and how many that wait, run at once; as many that read, but not
        more than there are processors
    """

    def __init__(self, store: MemoryStore, *, threads: int = 4) -> None:
        threads = check_int("threads", threads, 1, 1024)
        self._store = store
        # Writers may wait for room in the queue, waiters do nothing else: neither must keep recalls waiting.
        self._writers = ThreadPoolExecutor(threads, "engram-write")
        self._waiters = ThreadPoolExecutor(threads, "engram-wait")
        # Recalls compute: more at once than there are processors would only keep the loop from the GIL.
        self._readers = ThreadPoolExecutor(min(threads, os.cpu_count() or 1), "engram-read")

    @staticmethod
    def open(*args: Any, threads: int = 4, **keywords: Any) -> Opening:
        """As `engram.open`, to be awaited or used with ``async with``."""
        return Opening(functools.partial(open_store, *args, **keywords), threads)

    @property
    def sync(self) -> MemoryStore:
        """The store itself."""
        return self._store

    # -- the three verbs

    async def store(
        self,
        id: str,
        vector: ArrayLike | None = None,
        *,
        content: str | None = None,
        metadata: Metadata | None = None,
        confidence: float = 1.0,
        fsync: Fsync | None = None,
        timeout: float | None = None,
    ) -> int:
        """As `MemoryStore.store`."""
        timeout = check_timeout("timeout", timeout)
        encoded = functools.cache(functools.partial(self._store.vector_of, vector, content))

        def store(left: float) -> int:
            return self._store.store(
                id,
                encoded() if vector is None else vector,
                content=content,
                metadata=metadata,
                confidence=confidence,
                fsync=fsync,
                timeout=left,
            )

        return await self._with_room(store, timeout)

    async def store_many(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        *,
        contents: Iterable[str | None] | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        fsync: Fsync | None = None,
        progress: Progress | None = None,
    ) -> int:
        """As `MemoryStore.store_many`; `progress` is called in the event loop.

        Cancelled, it leaves the pieces written so far; the CancelledError tells in ``.stored`` how many rows.
        """
        loop, cancelled, stored = asyncio.get_running_loop(), False, 0

        def breathe_on() -> None:
            breathe()
            if cancelled:  # while the rows are checked: none is stored yet
                raise _Cancelled

        def after_piece(done: int, count: int) -> None:
            nonlocal stored
            stored = done
            if progress is not None:
                loop.call_soon_threadsafe(progress, done, count)
            if cancelled and done < count:
                raise _Cancelled

        call = self._begin(
            self._writers,
            self._store.store_many_breathing,
            breathe_on,
            ids,
            vectors,
            contents=contents,
            metadata=metadata,
            fsync=fsync,
            progress=after_piece,
        )
        end = asyncio.wrap_future(call)
        try:
            await asyncio.wait({end})
        except asyncio.CancelledError as error:
            cancelled = True
            await _gone(call, end)
            note_stored(error, stored)
            raise
        return end.result()

    async def recall(
        self, cue: ArrayLike | str, k: int = 10, *, texts: bool = True, **options: Any
    ) -> Recall:
        """As `MemoryStore.recall`.

        Parameters
        ----------
        texts : read contents and metadata as well; without, asking a hit for them reads them then, and blocks
        """
        return await self._read(_recall, self._store, cue, k, texts, options)

    async def recall_many(
        self, cues: ArrayLike | Sequence[str], k: int = 10, *, texts: bool = True, **options: Any
    ) -> list[Recall]:
        """As `MemoryStore.recall_many`; `texts` as for `recall`."""
        return await self._read(_recall_many, self._store, cues, k, texts, options)

    async def forget(
        self, id: str, *, fsync: Fsync | None = None, timeout: float | None = None
    ) -> int | None:
        """As `MemoryStore.forget`."""
        return await self._with_room(
            lambda left: self._store.forget(id, fsync=fsync, timeout=left),
            check_timeout("timeout", timeout),
        )

    # -- looking up

    async def get(self, id: str) -> Memory | None:
        """As `MemoryStore.get`."""
        return await self._read(self._store.get, id)

    async def contains(self, id: str) -> bool:
        """Whether there is a memory of that id."""
        return await self._read(self._store.__contains__, id)

    async def count(self) -> int:
        """How many memories there are."""
        return await self._read(self._store.__len__)

    async def __aiter__(self) -> AsyncIterator[str]:
        """The ids, as they are at this moment, in no particular order."""
        ids = await self._read(self._store.__iter__)
        while some := await self._read(_some_of, ids):
            for id in some:
                yield id

    # -- waiting and looking after it

    async def wait(
        self, lsn: int, until: Literal["durable", "indexed"] = "durable", timeout: float | None = None
    ) -> bool:
        """As `MemoryStore.wait`."""
        return await self._wait(functools.partial(self._store.wait, lsn, until), timeout)

    async def wait_indexed(self, timeout: float | None = None) -> bool:
        """As `MemoryStore.wait_indexed`."""
        return await self._wait(self._store.wait_indexed, timeout)

    async def flush(self) -> None:
        """As `MemoryStore.flush`."""
        await self._write(self._store.flush)

    async def checkpoint(self) -> int:
        """As `MemoryStore.checkpoint`."""
        return await self._write(self._store.checkpoint)

    async def migrate(self) -> MigrationReport:
        """As `MemoryStore.migrate`."""
        return await self._write(self._store.migrate)

    async def verify(self) -> Verification:
        """As `MemoryStore.verify`."""
        return await self._write(self._store.verify)  # long: not before recalls

    async def stats(self) -> dict[str, Any]:
        """As `MemoryStore.stats`."""
        return await self._read(self._store.stats)

    async def close(self, *, drain: bool = True) -> None:
        """As `MemoryStore.close`."""
        # In a thread of its own: those of the pools may all be waiting for room, which this ends.
        with ThreadPoolExecutor(1, "engram-close") as closer:
            await _end_of(closer.submit(self._store.close, drain=drain))
        for pool in (self._writers, self._waiters, self._readers):
            pool.shutdown(wait=False)

    async def __aenter__(self) -> AsyncMemoryStore:
        self._store.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Async{repr(self._store)[1:]}"

    # -- inside

    async def _write(self, call: Callable[..., T], *args: Any, **keywords: Any) -> T:
        return await _end_of(self._begin(self._writers, call, *args, **keywords))

    async def _with_room(self, call: Callable[[float], T], timeout: float | None) -> T:
        """Calls call(seconds to wait for room) until there is room, in turns short enough to be cancelled."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if deadline is None else min(_SLICE, max(0.0, deadline - time.monotonic()))
            try:
                return await self._write(call, left)
            except QueueFull:
                if left < _SLICE or (await self.stats())["indexer"]["trouble"] is not None:
                    raise

    async def _read(self, call: Callable[..., T], *args: Any) -> T:
        return await _end_of(self._begin(self._readers, call, *args))

    def _begin(
        self, pool: ThreadPoolExecutor, call: Callable[..., T], *args: Any, **keywords: Any
    ) -> Future[T]:
        try:
            return pool.submit(call, *args, **keywords)
        except RuntimeError:  # shut down, by close or by the interpreter's end
            self._store.check_open()
            raise

    async def _wait(self, wait: Callable[..., bool], timeout: float | None) -> bool:
        timeout = check_timeout("timeout", timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if deadline is None else min(_SLICE, max(0.0, deadline - time.monotonic()))
            if await _end_of(self._begin(self._waiters, wait, timeout=left)):
                return True
            if left < _SLICE:
                return False


class Opening:
    """A store that is being opened: await it, or use it with ``async with``."""

    def __init__(self, opener: Callable[[], MemoryStore], threads: int) -> None:
        self._opener = opener
        self._threads = threads
        self._opened: AsyncMemoryStore | None = None

    async def _open(self) -> AsyncMemoryStore:
        with ThreadPoolExecutor(1, "engram-open") as opener:
            call = opener.submit(self._opener)
            try:
                store = await _end_of(call)
            except asyncio.CancelledError:
                if not call.cancelled() and call.exception() is None:
                    await _end_of(opener.submit(call.result().close))
                raise
        return AsyncMemoryStore(store, threads=self._threads)

    def __await__(self) -> Generator[Any, None, AsyncMemoryStore]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncMemoryStore:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


class _Cancelled(Exception):
    """Ends a store_many between two pieces."""


async def _end_of(call: Future[T]) -> T:
    """What a call in a thread comes to. Cancelled: that it has ended, or will never begin, is certain."""
    end = asyncio.wrap_future(call)
    try:
        await asyncio.wait({end})  # which leaves it alone when cancelled, and asks for no result
    except asyncio.CancelledError:
        await _gone(call, end)
        raise
    return end.result()


async def _gone(call: Future[Any], end: asyncio.Future[Any]) -> None:
    """Returns when a call, whose end in the loop is `end`, has ended or will never begin."""
    if call.cancel():
        return
    while not end.done():
        try:
            await asyncio.wait({end})
        except asyncio.CancelledError:
            continue  # cancelled again: it is on its way already
    end.exception()  # seen: asyncio need not complain that nobody looked


def _recall(store: MemoryStore, cue: ArrayLike | str, k: int, texts: bool, options: dict[str, Any]) -> Recall:
    found = store.recall(cue, k, **options)
    if texts and len(found):
        found.row(0)  # reads those of all hits
    return found


def _recall_many(
    store: MemoryStore, cues: ArrayLike | Sequence[str], k: int, texts: bool, options: dict[str, Any]
) -> list[Recall]:
    every = store.recall_many(cues, k, **options)
    for at, found in enumerate(every if texts else ()):
        if at % _RECALLS_A_BREATH == 0:
            breathe()
        if len(found):
            found.row(0)
    return every


def _some_of(ids: Any) -> list[str]:
    return [id for id, _ in zip(ids, range(_IDS), strict=False)]
