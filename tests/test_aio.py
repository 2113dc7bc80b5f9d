"""The verbs as coroutines: they do what the plain ones do, end when cancelled, and never block the loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram.aio import AsyncMemoryStore
from tests.gil_watch import LoopWatch

DIM = 8


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def test_every_verb_does_what_the_plain_one_does(folder: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, DIM)).astype(np.float32)

    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM, metric="l2") as memory:
            token = await memory.store("a", vectors[0], content="first", metadata={"n": 1}, confidence=0.5)
            assert await memory.wait(token, "durable")
            assert await memory.wait(token, "indexed", timeout=30)
            progress: list[tuple[int, int]] = []
            await memory.store_many(
                [str(row) for row in range(50)], vectors, progress=lambda *each: progress.append(each)
            )
            assert await memory.wait_indexed(timeout=30)
            assert progress[-1] == (50, 50)
            found = await memory.recall(vectors[7], k=3)
            assert found[0].id == "7"
            many = await memory.recall_many(vectors[:2], k=2)
            assert many[1][0].id == "1"
            got = await memory.get("a")
            assert got is not None
            assert (got.content, got.metadata, got.confidence) == ("first", {"n": 1}, 0.5)
            assert got.vector.tobytes() == vectors[0].tobytes()
            assert await memory.contains("3")
            assert await memory.forget("3") is not None
            assert await memory.forget("3") is None
            assert not await memory.contains("3")
            assert await memory.count() == 50
            assert sorted([id async for id in memory]) == sorted(memory.sync)
            await memory.flush()
            assert await memory.checkpoint() > 0
            assert (await memory.migrate()).total == 0
            assert (await memory.verify()).memories == 50
            assert (await memory.stats())["memories"] == 50
        with pytest.raises(engram.StoreClosed):
            memory.sync.get("a")

    run(main())
    with engram.open(folder) as store:
        assert len(store) == 50


def test_texts_are_there_before_the_loop_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        memory = await AsyncMemoryStore.open(folder, DIM)
        await memory.store("a", np.ones(DIM), content="text")
        with_texts = await memory.recall(np.ones(DIM))
        without = await memory.recall(np.ones(DIM), texts=False)

        def refuse(*args: object) -> None:
            raise AssertionError("asked in the event loop")

        monkeypatch.setattr(memory.sync, "rows_of", refuse)
        assert with_texts[0].content == "text"
        with pytest.raises(AssertionError):
            _ = without[0].content
        await memory.close()

    run(main())


def test_a_refused_call_raises_what_the_plain_one_raises(folder: Path) -> None:
    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM) as memory:
            with pytest.raises(engram.DimensionMismatch):
                await memory.store("a", [1.0])
            with pytest.raises(engram.InvalidInput, match="row 1"):
                await memory.store_many(["a", ""], np.ones((2, DIM)))
            with pytest.raises(engram.InvalidInput, match="timeout"):
                await memory.store("a", np.ones(DIM), timeout=-1)
            assert await memory.count() == 0
        with pytest.raises(engram.InvalidInput):
            await AsyncMemoryStore.open(folder, DIM + 1)

    run(main())


class Gate:
    """Stands before a catalog and lets nothing through until told: the queue stays full."""

    def __init__(self, store: engram.MemoryStore) -> None:
        self.catalog = store._parts.indexer._catalog
        self.open = threading.Event()
        store._parts.indexer._catalog = self

    def apply(self, *args: Any) -> None:
        assert self.open.wait(60)
        self.catalog.apply(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.catalog, name)


def test_a_cancelled_store_is_never_done_later(folder: Path) -> None:
    config = engram.Config(queue_capacity=4)

    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM, config=config) as memory:
            gate = Gate(memory.sync)
            for row in range(4):
                await memory.store(str(row), np.ones(DIM))
            waiting = asyncio.create_task(memory.store("late", np.ones(DIM)))
            with pytest.raises(engram.QueueFull):
                await memory.store("5", np.ones(DIM), timeout=0.01)
            assert (await memory.recall(np.ones(DIM))).ids  # readers do not wait behind writers
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            gate.open.set()
            await memory.store("after", np.ones(DIM))
            assert await memory.wait_indexed(timeout=30)
            assert not await memory.contains("late")

    run(main())


def test_a_text_is_embedded_once_however_long_it_waits_for_room(folder: Path) -> None:
    config = engram.Config(queue_capacity=4)
    embedded: list[str] = []

    class Counting:
        dim = DIM

        def __call__(self, texts: Sequence[str]) -> np.ndarray:
            embedded.extend(texts)
            return np.ones((len(texts), DIM), dtype=np.float32)

    async def main() -> None:
        async with AsyncMemoryStore.open(folder, embedder=Counting(), config=config) as memory:
            gate = Gate(memory.sync)
            for row in range(4):
                await memory.store(str(row), np.ones(DIM))
            with pytest.raises(engram.QueueFull):
                await memory.store("full", content="waits in vain", timeout=0.35)  # three turns in the line
            with pytest.raises(engram.QueueFull):
                await memory.forget("0", timeout=0.35)
            gate.open.set()
            await memory.store("text", content="waits")

    run(main())
    assert embedded == ["waits in vain", "waits"]


def test_a_cancelled_store_many_leaves_the_pieces_before(folder: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((200, DIM)).astype(np.float32)
    config = engram.Config(queue_capacity=20)

    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM, config=config, fsync="never") as memory:
            gate = Gate(memory.sync)
            first = asyncio.Event()
            task = asyncio.create_task(
                memory.store_many([str(row) for row in range(200)], vectors, progress=lambda *_: first.set())
            )
            await first.wait()
            task.cancel()
            gate.open.set()
            with pytest.raises(asyncio.CancelledError) as ended:
                await task
            stored = ended.value.stored  # type: ignore[attr-defined]
            assert stored % 20 == 0 and 20 <= stored < 200
            assert sorted([int(id) async for id in memory]) == list(range(stored))

    run(main())


def test_a_store_many_that_is_cancelled_while_its_rows_are_checked_stores_nothing(
    folder: Path, rng: np.random.Generator
) -> None:
    vectors = rng.standard_normal((200, DIM)).astype(np.float32)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        heard = threading.Event()

        def ids() -> Iterator[str]:  # read in a thread, before the checks
            loop.call_soon_threadsafe(task.cancel)
            loop.call_soon_threadsafe(loop.call_soon, loop.call_soon, heard.set)  # behind the task's own turn
            assert heard.wait(60)
            yield from map(str, range(200))

        async with AsyncMemoryStore.open(folder, DIM, fsync="never") as memory:
            task = asyncio.create_task(memory.store_many(ids(), vectors))
            with pytest.raises(asyncio.CancelledError) as ended:
                await task
            assert ended.value.stored == 0  # type: ignore[attr-defined]
            assert await memory.count() == 0

    run(main())


def test_a_cancelled_call_leaves_nothing_for_asyncio_to_complain_of(
    folder: Path, rng: np.random.Generator
) -> None:
    complaints: list[dict[str, Any]] = []
    vectors = rng.standard_normal((200, DIM)).astype(np.float32)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        config = engram.Config(queue_capacity=20)
        async with AsyncMemoryStore.open(folder, DIM, config=config, fsync="never") as memory:
            gate = Gate(memory.sync)
            first = asyncio.Event()
            many = asyncio.create_task(
                memory.store_many([str(row) for row in range(200)], vectors, progress=lambda *_: first.set())
            )
            await first.wait()
            one = asyncio.create_task(memory.store("late", vectors[0], timeout=0.05))
            await asyncio.sleep(0)  # it has begun
            for task in (many, one):
                task.cancel()
            gate.open.set()
            ended = await asyncio.gather(many, one, return_exceptions=True)
            assert isinstance(ended[0], asyncio.CancelledError)
            del many, one, ended
            gc.collect()
            await asyncio.sleep(0)

    run(main())
    gc.collect()
    assert complaints == []


async def first_id_of(memory: AsyncMemoryStore) -> str | None:
    async for id in memory:
        return id
    return None


CLOSED: dict[str, Callable[[AsyncMemoryStore], Coroutine[Any, Any, object]]] = {
    "store": lambda memory: memory.store("a", np.ones(DIM)),
    "store_many": lambda memory: memory.store_many(["a"], np.ones((1, DIM))),
    "recall": lambda memory: memory.recall(np.ones(DIM)),
    "recall_many": lambda memory: memory.recall_many(np.ones((1, DIM))),
    "forget": lambda memory: memory.forget("a"),
    "get": lambda memory: memory.get("a"),
    "contains": lambda memory: memory.contains("a"),
    "count": lambda memory: memory.count(),
    "ids": lambda memory: first_id_of(memory),
    "wait": lambda memory: memory.wait(0),
    "wait_indexed": lambda memory: memory.wait_indexed(),
    "flush": lambda memory: memory.flush(),
    "checkpoint": lambda memory: memory.checkpoint(),
    "migrate": lambda memory: memory.migrate(),
    "verify": lambda memory: memory.verify(),
    "stats": lambda memory: memory.stats(),
    "async with": lambda memory: memory.__aenter__(),
}


@pytest.mark.parametrize("verb", CLOSED)
def test_a_closed_store_says_so(verb: str) -> None:
    async def main() -> None:
        memory = await AsyncMemoryStore.open(None, DIM)
        await memory.store("a", np.ones(DIM))
        await memory.close()
        with pytest.raises(engram.StoreClosed):
            await CLOSED[verb](memory)
        await memory.close()

    run(main())


def test_closing_ends_calls_that_wait_for_room(folder: Path) -> None:
    async def main() -> None:
        memory = await AsyncMemoryStore.open(folder, DIM, config=engram.Config(queue_capacity=1), threads=1)
        gate = Gate(memory.sync)
        await memory.store("a", np.ones(DIM))
        waiting = [asyncio.create_task(memory.store(str(row), np.ones(DIM))) for row in range(3)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(memory.close(drain=False))
        await asyncio.sleep(0)
        gate.open.set()
        await closing
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(each, (int, engram.StoreClosed)) for each in ended)

    run(main())


def test_an_opening_that_is_cancelled_leaves_no_store_open(folder: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(AsyncMemoryStore.open(folder, DIM)._open())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with AsyncMemoryStore.open(folder, DIM) as memory:  # not locked
            assert await memory.count() == 0

    run(main())


def test_the_loop_keeps_turning_under_load(folder: Path, rng: np.random.Generator) -> None:
    """No part of a verb runs in the thread of the event loop: it is asleep in every call."""
    loops_thread = threading.get_ident()
    seen: set[str] = set()

    class Watched:
        """A native store that knows which thread calls it."""

        def __init__(self, native: Any) -> None:
            self.native = native

        def __len__(self) -> int:
            return len(self.native)

        def __getattr__(self, name: str) -> Any:
            value = getattr(self.native, name)
            if callable(value) or name in ("visible_lsn", "end_lsn"):
                assert threading.get_ident() != loops_thread, f"{name} runs in the event loop"
                seen.add(name)
            return value

    vectors = rng.standard_normal((300, DIM)).astype(np.float32)

    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM) as memory:
            store = memory.sync
            watched: Any = Watched(store._native)
            store._native = store._write._native = store._look._native = store._until._native = watched
            ticks = 0
            done = asyncio.Event()

            async def tick() -> None:
                nonlocal ticks
                while not done.is_set():
                    await asyncio.sleep(0)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            await memory.store_many([f"m{row}" for row in range(300)], vectors)
            await asyncio.gather(
                *[memory.store(str(row), vectors[row], content=str(row)) for row in range(100)],
                *[memory.recall(vectors[row]) for row in range(100)],
            )
            await memory.get("3")
            await memory.forget("4")
            await memory.wait_indexed(timeout=30)
            before = ticks
            await memory.checkpoint()
            await memory.verify()
            assert ticks > before, "the loop stood still while a checkpoint was taken"
            done.set()
            await ticking
            store._native = store._write._native = store._look._native = watched.native
            store._until._native = watched.native

    run(main())
    assert {"put", "put_chunk", "recall", "get", "forget", "wait_indexed"} <= seen


COUNT = 10_000
Work = Callable[[AsyncMemoryStore], Coroutine[Any, Any, object]]


def long_work(rng: np.random.Generator) -> dict[str, Work]:
    """What keeps a thread in Python for long, each over `COUNT` memories."""
    ids = [str(row) for row in range(COUNT)]
    vectors = rng.standard_normal((COUNT, DIM)).astype(np.float32)
    texts = [f"text {row}" for row in range(COUNT)]

    async def fill(memory: AsyncMemoryStore) -> None:
        await memory.store_many(ids, vectors, contents=texts, metadata=[{"n": row} for row in range(COUNT)])

    async def mix(memory: AsyncMemoryStore) -> None:
        many = fill(memory)
        stores = [memory.store(f"one {row}", vectors[row], content="text") for row in range(300)]
        recalls = [memory.recall(vectors[row]) for row in range(300)]
        await asyncio.gather(many, *stores, *recalls, memory.stats())

    return {
        "store_many": fill,
        "mixed": mix,
        "recall_many": lambda memory: memory.recall_many(vectors[:1000], k=10),
        "recall": lambda memory: memory.recall(vectors[0], k=3000),
        "verify": lambda memory: memory.verify(),
    }


async def do(work: Work, folder: Path) -> float:
    """The longest the loop waited for the GIL, as a share of what the work took (of 0.25 s at least)."""
    async with AsyncMemoryStore.open(folder, DIM, metric="l2", fsync="never") as memory:
        async with LoopWatch() as watch:
            begin = time.perf_counter()
            await work(memory)
            took = time.perf_counter() - begin
        return watch.longest / max(0.25, took)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """How long the garbage collector stops all threads depends on what else the program holds."""
    collects = gc.isenabled()
    gc.disable()
    yield
    if collects:
        gc.enable()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not tell who waits")
@pytest.mark.usefixtures("no_collection")
def test_no_verb_holds_the_gil_while_it_works(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of seconds of work the event loop waits for milliseconds."""
    for verb, work in long_work(rng).items():
        shares: list[float] = []
        # What holds the GIL does so every time; what else stops a thread for once does not.
        while len(shares) < 3 and (not shares or shares[-1] >= 0.1):
            shares.append(asyncio.run(asyncio.wait_for(do(work, tmp_path / "store"), 120)))
        assert min(shares) < 0.1, f"{verb}: the loop waited for so much of the work: {shares}"


@pytest.mark.parametrize(
    ("verb", "pieces"),
    [("store_many", 3 * COUNT // 256), ("recall_many", 65), ("recall", 10), ("verify", 40)],
)
def test_long_work_in_python_stops_for_the_loop_again_and_again(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, verb: str, pieces: int
) -> None:
    """Python by itself lets a thread that wants to run wait for 5 ms behind each other one."""
    work = long_work(rng)
    asyncio.run(do(work["store_many"], tmp_path / "store"))
    breaths = 0

    class Time:
        @staticmethod
        def sleep(seconds: float) -> None:
            nonlocal breaths
            breaths += seconds > 0
            time.sleep(seconds)

    monkeypatch.setattr("engram._breath.time", Time)
    asyncio.run(do(work[verb], tmp_path / "store"))

    assert breaths >= pieces


def test_calls_that_wait_keep_no_recall_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with AsyncMemoryStore.open(folder, DIM) as memory:
            await memory.store("a", np.ones(DIM))
            end = threading.Event()
            monkeypatch.setattr(memory.sync, "wait_indexed", lambda timeout: end.wait(60))
            waits = [asyncio.create_task(memory.wait_indexed()) for _ in range(40)]
            await asyncio.sleep(0)
            assert (await memory.recall(np.ones(DIM))).ids == ["a"]
            assert not any(wait.done() for wait in waits)
            end.set()
            assert all(await asyncio.gather(*waits))

    run(main())
