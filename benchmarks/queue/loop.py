"""How late an event loop runs beside the verbs of an `AsyncMemoryStore`: what runs inside the process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.common.installed import engram_version
from benchmarks.queue.worker import Floats, fill, percentiles

_REST = 0.001  # seconds between two looks
_AT_ONCE = 16  # tasks that store, and as many that recall
Metric = Literal["cosine", "l2", "ip"]


class LoopWorker:
    """A task that rests for a millisecond again and again: alone, then beside tasks that store and recall."""

    def version(self) -> str:
        return engram_version()

    def measure(
        self, base: str, metric: Metric, folder: str, prefill: int, seconds: float
    ) -> dict[str, float]:
        """How much later than asked for the task went on."""
        vectors = np.load(base)
        return asyncio.run(_measure(vectors, metric, Path(folder) / "store", prefill, seconds))


async def _measure(
    vectors: Floats, metric: Metric, folder: Path, prefill: int, seconds: float
) -> dict[str, float]:
    import engram

    dim = vectors.shape[1]
    async with engram.AsyncMemoryStore.open(folder, dim=dim, metric=metric) as memory:
        await asyncio.to_thread(fill, memory.sync, vectors[:prefill])
        idle = await _late(seconds / 4)
        end = time.perf_counter() + seconds
        work = [asyncio.create_task(_store(memory, vectors, task, end)) for task in range(_AT_ONCE)]
        work += [asyncio.create_task(_recall(memory, vectors, task, end)) for task in range(_AT_ONCE)]
        busy = await _late(seconds)
        calls = sum(await asyncio.gather(*work))
    return {
        "calls_per_second": calls / seconds,
        **{f"idle_late_{name}": value for name, value in percentiles(idle).items()},
        **{f"busy_late_{name}": value for name, value in percentiles(busy).items()},
    }


async def _late(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    late: list[float] = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        await asyncio.sleep(_REST)
        late.append(time.perf_counter() - begin - _REST)
    return np.array(late)


async def _store(memory: Any, vectors: Floats, task: int, end: float) -> int:
    calls = 0
    while time.perf_counter() < end:
        number = (task + _AT_ONCE * calls) % len(vectors)
        await memory.store(f"w{number}", vectors[number], content="a text", metadata={"number": number})
        calls += 1
    return calls


async def _recall(memory: Any, vectors: Floats, task: int, end: float) -> int:
    calls = 0
    while time.perf_counter() < end:
        await memory.recall(vectors[(task + _AT_ONCE * calls) % len(vectors)], k=10)
        calls += 1
    return calls
