"""The verbs of a store, on a disk and in RAM."""

from __future__ import annotations

import doctest
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import engram
from engram._parts import Fsync
from engram.opening import Metric
from tests.model import Floats, Model, Stored

METRICS = ["cosine", "l2", "ip"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("in_ram", [False, True], ids=["folder", "ram"])
def test_what_is_stored_is_recalled_whether_indexed_or_not(
    folder: Path, rng: np.random.Generator, metric: Metric, in_ram: bool
) -> None:
    model = Model(metric)
    vectors = rng.standard_normal((300, 24)).astype(np.float32)

    with engram.open(None if in_ram else folder, 24, metric=metric) as store:
        for row in range(100):
            store.store(f"m{row}", vectors[row], content=f"text {row}", metadata={"row": row}, confidence=0.5)
            model.memories[f"m{row}"] = Stored(vectors[row], f"text {row}", {"row": row}, 0.5)
        store.store_many([f"m{row}" for row in range(100, 300)], vectors[100:])
        model.memories.update({f"m{row}": Stored(vectors[row]) for row in range(100, 300)})
        model.check_recall(store, vectors[7], 10)
        assert store.wait_indexed(timeout=60)
        model.check_recall(store, vectors[250], 10)
        model.check_recall(store, vectors[7], 300)
        model.check_all(store)


def test_a_store_reopens_with_the_same_memories_in_the_same_bits(
    folder: Path, rng: np.random.Generator
) -> None:
    model = Model("cosine")
    vectors = (rng.standard_normal((500, 16)) * 10.0 ** rng.integers(-6, 6, (500, 1))).astype(np.float32)
    with engram.open(folder, dim=16) as store:
        for row, vector in enumerate(vectors):
            model.memories[f"id {row}"] = Stored(
                vector, "é" * row, {"a": row, "b": None, "c": [1.5, True][row % 2]}
            )
        store.store_many(
            list(model.memories),
            vectors,
            contents=[each.content for each in model.memories.values()],
            metadata=[each.metadata for each in model.memories.values()],
        )

    for _ in range(2):
        with engram.open(folder) as store:
            assert (store.dim, store.metric, store.path) == (16, "cosine", folder)
            model.check_all(store)
            model.check_recall(store, vectors[3], 20)


def test_storing_an_id_again_replaces_it(memory: engram.MemoryStore, rng: np.random.Generator) -> None:
    model = Model("l2")
    for turn in range(5):
        for row in range(40):
            vector = rng.standard_normal(8).astype(np.float32)
            memory.store(f"{row}", vector, content=f"turn {turn}")
            model.memories[f"{row}"] = Stored(vector, f"turn {turn}")
        if turn % 2:
            memory.wait_indexed()

    model.check_all(memory)
    model.check_recall(memory, rng.standard_normal(8).astype(np.float32), 40)


def test_what_is_forgotten_is_gone_at_once_and_after_reopening(
    folder: Path, rng: np.random.Generator
) -> None:
    model = Model("l2")
    vectors = rng.standard_normal((60, 8)).astype(np.float32)
    with engram.open(folder, 8, metric="l2") as store:
        for row in range(60):
            store.store(f"{row}", vectors[row], content="x")
            model.memories[f"{row}"] = Stored(vectors[row], "x")
        for row in range(0, 60, 3):
            assert isinstance(store.forget(f"{row}"), int)
            assert store.forget(f"{row}") is None
            del model.memories[f"{row}"]
            assert f"{row}" not in store
            assert store.get(f"{row}") is None
        assert store.forget("never was") is None
        model.check_all(store)
        model.check_recall(store, vectors[0], 60)

    with engram.open(folder) as store:
        model.check_all(store)
        model.check_recall(store, vectors[0], 60)


def test_the_last_of_repeated_ids_wins(memory: engram.MemoryStore) -> None:
    vectors = np.arange(32, dtype=np.float32).reshape(4, 8)

    memory.store_many(["a", "b", "a", "a"], vectors, contents=["1", "2", "3", "4"])

    assert len(memory) == 2
    found = memory.get("a")
    assert found is not None
    assert (found.content, found.vector.tolist()) == ("4", vectors[3].tolist())
    assert sorted(memory.recall(vectors[0], k=4).ids) == ["a", "b"]


def test_a_hit_tells_everything_about_a_memory(memory: engram.MemoryStore) -> None:
    memory.store("m1", np.ones(8), content="one", metadata={"topic": "biology"}, confidence=0.25)
    memory.store("m2", np.full(8, 2.0))

    found = memory.recall(np.ones(8, dtype=np.float32), k=5)

    first, second = found
    assert (first.id, first.distance, first.confidence, first.tier) == ("m1", 0.0, 0.25, "hot")
    assert (first.content, first.metadata) == ("one", {"topic": "biology"})
    assert (second.id, second.distance, second.content, second.metadata) == ("m2", 8.0, None, {})
    assert found.complete
    assert found.tiers["hot"].found == 2
    assert not found.tiers["hot"].truncated
    assert [hit.id for hit in found[:1]] == ["m1"]
    assert found[-1].id == "m2"
    assert "m1" in repr(found)
    with pytest.raises(IndexError):
        found[2]


def test_the_content_of_a_hit_belongs_to_the_version_that_was_found(memory: engram.MemoryStore) -> None:
    memory.store("m1", np.ones(8), content="old")
    memory.store("m2", np.ones(8), content="old")
    memory.store("m3", np.ones(8), content="old")
    memory.wait_indexed()
    found = memory.recall(np.ones(8), k=3)

    memory.store("m1", np.zeros(8), content="new")
    memory.forget("m2")
    memory.checkpoint()  # commits to the catalog what was indexed

    contents = {hit.id: hit.content for hit in found}
    assert contents == {"m1": None, "m2": None, "m3": "old"}


def test_recall_many_is_recall_of_each(memory: engram.MemoryStore, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    memory.store_many([str(row) for row in range(200)], vectors)
    cues = rng.standard_normal((30, 8)).astype(np.float32)

    many = memory.recall_many(cues, k=5)

    assert [found.ids for found in many] == [memory.recall(cue, k=5).ids for cue in cues]
    assert memory.recall_many(np.empty((0, 8)), k=5) == []


def test_an_empty_store_recalls_nothing(memory: engram.MemoryStore) -> None:
    assert list(memory.recall(np.ones(8), k=10)) == []
    assert len(memory) == 0
    assert list(memory) == []
    assert memory.get("a") is None
    assert memory.wait_indexed(timeout=1)
    assert memory.wait(memory.store_many([], np.empty((0, 8))), "durable", timeout=1)


def test_k_larger_than_the_store_gives_all_there_is(memory: engram.MemoryStore) -> None:
    memory.store_many(["a", "b", "c"], np.eye(3, 8))

    assert len(memory.recall(np.ones(8), k=10**12)) == 3
    assert len(memory.recall(np.ones(8), k=np.int32(2))) == 2


@pytest.mark.parametrize("mode", ["always", "interval", "never"])
def test_a_token_is_waited_for_in_every_mode(folder: Path, mode: Fsync) -> None:
    with engram.open(folder, 4, fsync=mode) as store:
        tokens = [store.store("a", np.ones(4)), store.store("b", np.ones(4), fsync="never")]
        tokens.append(store.store_many(["c", "d"], np.ones((2, 4)), fsync="interval"))
        forgotten = store.forget("a", fsync="never")
        assert forgotten is not None
        tokens.append(forgotten)

        assert tokens == sorted(set(tokens))
        assert all(store.wait(token, "durable", timeout=30) for token in tokens)
        assert all(store.wait(token, "indexed", timeout=30) for token in tokens)
        store.flush()


def test_progress_is_told_after_each_piece(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    with engram.open(folder, 64, config=engram.Config(batch_bytes="64KiB")) as store:
        store.store_many(
            [str(row) for row in range(1000)],
            np.ones((1000, 64)),
            progress=lambda done, total: told.append((done, total)),
        )

    assert len(told) > 3
    assert told[-1] == (1000, 1000)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_store_many_leaves_a_prefix_of_whole_pieces(
    folder: Path, kind: type[BaseException]
) -> None:
    vectors = np.arange(1000 * 64, dtype=np.float32).reshape(1000, 64) + 1

    def interrupt(done: int, total: int) -> None:
        if done > 400:
            raise kind

    with engram.open(folder, 64, config=engram.Config(batch_bytes="64KiB")) as store:
        with pytest.raises(kind) as caught:
            store.store_many([str(row) for row in range(1000)], vectors, progress=interrupt)
        stored = caught.value.stored  # type: ignore[attr-defined]
        assert 400 < stored < 1000
        assert sorted(store, key=int) == [str(row) for row in range(stored)]
    with engram.open(folder) as store:
        assert len(store) == stored


def test_a_refused_store_many_says_that_nothing_is_stored(memory: engram.MemoryStore) -> None:
    vectors = np.ones((3, 8))
    vectors[2, 4] = np.nan

    with pytest.raises(engram.InvalidVector) as caught:
        memory.store_many(["a", "b", "c"], vectors)

    assert caught.value.stored == 0
    assert len(memory) == 0


def test_synchronous_indexing_has_indexed_what_it_returns(folder: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((100, 8)).astype(np.float32)
    with engram.open(folder, 8, metric="l2", config=engram.Config(indexing="sync")) as store:
        for row in range(50):
            token = store.store(str(row), vectors[row])
            assert store.wait(token, "indexed", timeout=0)
        token = store.store_many([str(row) for row in range(50, 100)], vectors[50:])
        assert store.wait(token, "indexed", timeout=0)
        store.forget("3")
        assert store.wait_indexed(timeout=0)
        assert not [thread for thread in threading.enumerate() if thread.name == "engram-indexer"]
        assert store.recall(vectors[70], k=1).ids == ["70"]


def test_created_at_is_what_the_clock_says(folder: Path) -> None:
    now = 1000.0
    with engram.open(folder, 4, config=engram.Config(clock=lambda: now)) as store:
        store.store("a", np.ones(4))
        now = 2000.0
        store.store_many(["b"], np.ones((1, 4)))

    with engram.open(folder) as store:
        found = [store.get(id) for id in ("a", "b")]
    assert [each.created_at for each in found if each is not None] == [1000.0, 2000.0]


def test_a_closed_store_says_so(folder: Path) -> None:
    store = engram.open(folder, 4)
    store.store("a", np.ones(4), content="text")
    found = store.recall(np.ones(4))

    store.close()
    store.close()

    for call in (
        lambda: store.store("b", np.ones(4)),
        lambda: store.store_many(["b"], np.ones((1, 4))),
        lambda: store.recall(np.ones(4)),
        lambda: store.recall_many(np.ones((1, 4))),
        lambda: store.get("a"),
        lambda: store.forget("a"),
        lambda: "a" in store,
        lambda: len(store),
        lambda: list(store),
        lambda: store.wait(0, "durable"),
        store.wait_indexed,
        store.flush,
        store.stats,
        store.verify,
        store.__enter__,
        lambda: found[0].content,
    ):
        with pytest.raises(engram.StoreClosed):
            call()
    assert (store.dim, store.metric, store.path) == (4, "cosine", folder)
    assert "closed" in repr(store)


def test_closing_from_many_threads_at_once_is_closing(folder: Path) -> None:
    store = engram.open(folder, 4)
    store.store_many([str(row) for row in range(2000)], np.random.default_rng(0).standard_normal((2000, 4)))
    threads = [threading.Thread(target=store.close) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with engram.open(folder) as again:
        assert len(again) == 2000


@pytest.mark.parametrize("drain", [True, False])
def test_a_store_closed_with_or_without_draining_reopens_complete(folder: Path, drain: bool) -> None:
    vectors = np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32)
    store = engram.open(folder, 32)
    store.store_many([str(row) for row in range(3000)], vectors, contents=[f"t{row}" for row in range(3000)])

    store.close(drain=drain)

    with engram.open(folder) as again:
        assert len(again) == 3000
        found = again.recall(vectors[2999], k=1)[0]
        assert (found.id, found.content) == ("2999", "t2999")


def test_a_dropped_store_frees_its_folder(folder: Path) -> None:
    store = engram.open(folder, 4)
    store.store("a", np.ones(4))
    del store

    with engram.open(folder) as again:
        assert list(again) == ["a"]


def test_stats_and_verify_tell_of_every_part(memory: engram.MemoryStore) -> None:
    memory.store_many([str(row) for row in range(100)], np.random.default_rng(1).standard_normal((100, 8)))
    memory.forget("7")
    memory.wait_indexed()

    figures = memory.stats()
    checked = memory.verify()

    assert figures["memories"] == 99
    assert {"log", "queue", "hot", "indexer", "catalog"} <= set(figures)
    assert figures["indexer"]["mode"] == "async"
    assert figures["indexer"]["trouble"] is None
    assert (checked.memories, checked.catalog_rows) == (99, 99)


def test_texts_of_every_kind_come_back_unchanged(folder: Path) -> None:
    texts = [
        "",
        "\0",
        "a\0b",
        "\n\r\t",
        "é",
        "𝄞",
        "\ufeffx",
        "'; DROP TABLE memories; --",
        "x" * 100_000,
        "\x7f",
    ]
    model = Model("l2")
    with engram.open(folder, 2, metric="l2") as store:
        for row, text in enumerate(texts):
            metadata: dict[str, Any] = {text: text, "n": 2**60 + row, "f": 0.1, "t": True, "z": None}
            store.store(f"id{text[:100]}", np.array([row, 1.0]), content=text, metadata=metadata)
            model.memories[f"id{text[:100]}"] = Stored(np.array([row, 1], np.float32), text, metadata)
        model.check_all(store)
        store.wait_indexed()
        model.check_all(store)
    with engram.open(folder) as store:
        model.check_all(store)
        model.check_recall(store, np.ones(2, np.float32), 20)


def as_floats(value: object) -> Floats:
    return np.asarray(value, dtype=np.float32)


@pytest.mark.parametrize(
    "given",
    [
        [1, 2, 3, 4],
        (1.0, 2.0, 3.0, 4.0),
        np.array([1, 2, 3, 4], np.uint8),
        np.array([1, 2, 3, 4], np.int64),
        np.array([1, 2, 3, 4], np.float64),
        np.array([1, 2, 3, 4], np.float16),
        np.array([1, 2, 3, 4], ">f4"),
        np.array([1, 0, 2, 0, 3, 0, 4, 0], np.float32)[::2],
        np.array([4, 3, 2, 1], np.float32)[::-1],
        np.frombuffer(b"\0" + np.array([1, 2, 3, 4], np.float32).tobytes(), np.float32, offset=1),
        [0.1, 1e-40, 1e15, 16777217],
    ],
    ids=[
        *("list", "tuple", "uint8", "int64", "float64", "float16", "big-endian", "strided", "reversed"),
        *("unaligned", "rounded"),
    ],
)
def test_numbers_of_every_kind_are_stored_as_float32(folder: Path, given: object) -> None:
    with engram.open(folder, 4, metric="l2") as store:
        store.store("a", given)  # type: ignore[arg-type]
        store.store_many(["b"], np.stack([np.asarray(given)]))
        for id in "ab":
            found = store.get(id)
            assert found is not None
            assert found.vector.tobytes() == as_floats(given).tobytes()


@pytest.mark.parametrize("module", [engram, engram.index], ids=lambda module: module.__name__)
def test_the_examples_of_the_documentation_run(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0
