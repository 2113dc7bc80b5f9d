"""After a checkpoint a store opens without what the log held before it, and holds the same."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import engram
from tests.model import Model, Stored

DIM = 8


def log_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "wal").iterdir())


def fill(store: engram.MemoryStore, model: Model, begin: int, end: int) -> None:
    rng = np.random.default_rng(begin)
    for row in range(begin, end):
        vector = rng.standard_normal(DIM).astype(np.float32)
        store.store(f"{row % 150}", vector, content=f"text {row}", metadata={"row": row}, fsync="never")
        model.memories[f"{row % 150}"] = Stored(vector, f"text {row}", {"row": row})
        if row % 7 == 0 and store.forget(f"{row // 2}", fsync="never") is not None:
            del model.memories[f"{row // 2}"]


def test_a_store_is_the_same_after_checkpoints_between_changes(folder: Path) -> None:
    model = Model("l2")
    for turn in range(4):
        with engram.open(folder, DIM, metric="l2") as store:
            model.check_all(store)
            fill(store, model, 200 * turn, 200 * turn + 100)
            lsn = store.checkpoint()
            assert lsn > 0
            assert store.checkpoint() == lsn, "nothing came since"
            model.check_all(store)
            fill(store, model, 200 * turn + 100, 200 * turn + 200)
            model.check_all(store)
            model.check_recall(store, np.ones(DIM, np.float32), 200)
            store.close(drain=turn % 2 == 0)
        with engram.open(folder, read_only=True) as store:
            model.check_all(store)
            model.check_recall(store, np.ones(DIM, np.float32), 200)
            store.verify()


def test_a_checkpoint_goes_on_beside_writers_and_readers(folder: Path) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []
    with engram.open(folder, DIM, metric="l2", fsync="never") as store:

        def work(name: str) -> None:
            try:
                rng = np.random.default_rng(len(name))
                while not stop.is_set():
                    id, vector = f"{name}{rng.integers(50)}", rng.standard_normal(DIM).astype(np.float32)
                    store.store(id, vector, content=str(float(vector[0])))
                    hit = store.recall(vector, k=1)[0]
                    assert (hit.id, hit.content) == (id, str(float(vector[0])))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "bb", "ccc")]
        for thread in threads:
            thread.start()
        lsns = [store.checkpoint() for _ in range(10)]
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert lsns == sorted(lsns)
        assert store.wait_indexed(timeout=30)
        store.verify()


def test_without_its_catalog_a_store_with_a_checkpoint_is_refused(folder: Path) -> None:
    with engram.open(folder, DIM) as store:
        store.store("a", np.ones(DIM), content="text")
        store.checkpoint()
    (folder / "catalog.sqlite").unlink()

    for read_only in (True, False):
        with pytest.raises(engram.CorruptionError, match="catalog"):
            engram.open(folder, read_only=read_only)


def test_a_checkpoint_of_what_cannot_be_checkpointed(folder: Path) -> None:
    with engram.open(None, DIM) as store:
        store.store("a", np.ones(DIM))
        assert store.checkpoint() == 0
    with engram.open(folder, DIM) as store:
        store.store("a", np.ones(DIM))
    with engram.open(folder, read_only=True) as store, pytest.raises(engram.ReadOnlyStore):
        store.checkpoint()


def test_a_store_that_grew_takes_checkpoints_by_itself(tmp_path: Path) -> None:
    config = engram.Config(checkpoint_bytes="64KiB", indexing="sync")
    with engram.open(tmp_path / "s", 32, config=config) as store:
        vectors = np.random.default_rng(3).normal(size=(3000, 32)).astype(np.float32)
        for begin in range(0, 3000, 100):
            store.store_many([str(i) for i in range(begin, begin + 100)], vectors[begin : begin + 100])
        lsn = store.stats()["checkpoint"]["lsn"]
        assert lsn > 0
    with engram.open(tmp_path / "s", config=engram.Config(checkpoint_bytes=None)) as store:
        assert len(store) == 3000
        assert store.get("2999").vector.tobytes() == vectors[2999].tobytes()  # type: ignore[union-attr]


def test_a_close_leaves_little_to_replay(tmp_path: Path) -> None:
    vectors = np.random.default_rng(4).normal(size=(3000, 128)).astype(np.float32)
    with engram.open(tmp_path / "s", 128) as store:
        store.store_many([str(i) for i in range(3000)], vectors)
        assert store.stats()["checkpoint"]["lsn"] == 0
    with engram.open(tmp_path / "s") as store:
        assert store.stats()["checkpoint"]["replay_bytes"] < 1 << 20
        assert len(store) == 3000
