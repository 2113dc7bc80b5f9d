"""How long an event loop was kept from running by whoever held the GIL, however busy the machine was."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from types import TracebackType

_REST = 0.001  # seconds between two looks


class LoopWatch:
    """A task that ticks; for ``async with``.

    Of what a tick was late it counts what somebody else can have caused by holding the GIL: not what this
    thread computed itself, not the time in which it could have run and got no processor, and no more than the
    other threads of Python have computed meanwhile.

    Attributes
    ----------
    longest : the most seconds counted for one tick
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LoopWatch:
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(2 * _REST)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ticking is not None
        await asyncio.sleep(2 * _REST)
        self._ticking.cancel()

    async def _tick(self) -> None:
        schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        while True:
            begin, own, others = time.perf_counter(), _own(schedule), _computed_by_others()
            await asyncio.sleep(_REST)
            late = time.perf_counter() - begin - _REST - (_own(schedule) - own)
            self.longest = max(self.longest, min(late, _computed_by_others() - others))


def _own(schedule: Path) -> float:
    """Seconds this thread has computed, or waited for a processor, so far."""
    return time.thread_time() + int(schedule.read_text().split()[1]) * 1e-9


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
