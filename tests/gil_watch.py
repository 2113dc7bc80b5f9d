"""How long a thread was kept from running by whoever held the GIL, however busy the machine was."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from types import TracebackType

_REST = 0.001  # seconds between two looks


class Meter:
    """For the thread that makes it: counts of each rest what others can have added by holding the GIL.

    Not what the thread computed itself, not the time in which it could have run and got no processor, and no
    more than the other threads of Python have computed meanwhile.

    Attributes
    ----------
    longest : the most seconds counted for one rest
    """

    def __init__(self) -> None:
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self.longest = 0.0

    def begin(self) -> None:
        """Just before a rest of `_REST` seconds."""
        self._begin, self._own, self._others = time.perf_counter(), self._had(), _computed_by_others()

    def end(self) -> None:
        """Just after it."""
        late = time.perf_counter() - self._begin - _REST - (self._had() - self._own)
        self.longest = max(self.longest, min(late, _computed_by_others() - self._others))

    def _had(self) -> float:
        """Seconds this thread has computed, or waited for a processor, so far."""
        return time.thread_time() + int(self._schedule.read_text().split()[1]) * 1e-9


class LoopWatch:
    """A task that ticks in an event loop; for ``async with``."""

    async def __aenter__(self) -> LoopWatch:
        self._meter = Meter()
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(2 * _REST)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(2 * _REST)
        self._ticking.cancel()

    @property
    def longest(self) -> float:
        """The most seconds the loop waited for the GIL at once."""
        return self._meter.longest

    async def _tick(self) -> None:
        while True:
            self._meter.begin()
            await asyncio.sleep(_REST)
            self._meter.end()


class ThreadWatch:
    """A thread that ticks; for ``with``."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._stop = threading.Event()
        self._ticking = threading.Thread(target=self._tick, name="ticking")

    def __enter__(self) -> ThreadWatch:
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticking.join()

    def _tick(self) -> None:
        meter = Meter()
        while not self._stop.is_set():
            meter.begin()
            time.sleep(_REST)
            meter.end()
            self.longest = meter.longest


def _computed_by_others() -> float:
    """Seconds of a processor that the other threads of Python which are alive have had so far."""
    total = 0.0
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.ident is not None:
            try:
                total += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            except (OSError, OverflowError):  # it has just ended
                continue
    return total
