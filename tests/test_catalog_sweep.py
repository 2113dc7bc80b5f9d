"""A kill leaves no row in the catalog that belongs to no memory, or not for long."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import engram
from tests.policies import Everything

DIM = 8
COUNT = 60


def store_all(store: engram.MemoryStore, version: int) -> None:
    rng = np.random.default_rng(version)
    for row in range(COUNT):
        store.store(f"m{row}", rng.standard_normal(DIM), content=f"version {version} of {row}")


def ids_in_catalog(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog:
        return sorted(id for (id,) in catalog.execute("SELECT id FROM memories"))


def current() -> list[str]:
    return sorted(f"m{row}" for row in range(1, COUNT))


@pytest.fixture
def killed(folder: Path, tmp_path: Path) -> Path:
    """A store as a kill leaves it behind a checkpoint that knows of replacements the catalog has not seen."""
    left = tmp_path / "killed"
    # So that all of it lies in segments: their rows are dead for a checkpoint from when they are replaced.
    config = engram.Config(policy=Everything(1), migration_interval=None, checkpoint_bytes=None)
    with engram.open(folder, DIM, config=config) as store:
        store_all(store, 1)
        store.migrate()
        store.checkpoint()
        store.store("m1", np.ones(DIM))
        store.wait_indexed()
        with store._parts.indexer.paused():
            store_all(store, 2)
            store._native.forget("m0", None, None)  # `store.forget` would not, inside
            store._parts.checkpoints.take()
            shutil.copytree(folder, left)
    return left


def test_after_a_kill_verify_tells_of_rows_of_no_memory_and_a_checkpoint_drops_them(killed: Path) -> None:
    with engram.open(killed, config=engram.Config(indexing="sync")) as store:
        checked = store.verify()
        assert checked.memories == COUNT - 1
        assert checked.rows_of_no_memory == checked.catalog_rows - checked.memories > 0

        store.store("m1", np.ones(DIM), content="version 2 of 1")
        store.checkpoint()

        checked = store.verify()
        assert (checked.catalog_rows, checked.rows_of_no_memory) == (COUNT - 1, 0)
        assert store.get("m5").content == "version 2 of 5"  # type: ignore[union-attr]
    assert ids_in_catalog(killed) == current()


def test_after_a_kill_a_close_drops_rows_of_no_memory(killed: Path) -> None:
    with engram.open(killed, config=engram.Config(checkpoint_bytes=None)) as store:
        assert sorted(store) == current()
    assert ids_in_catalog(killed) == current()


def test_a_read_only_store_leaves_rows_of_no_memory_and_counts_them(killed: Path) -> None:
    before = (killed / "catalog.sqlite").read_bytes()
    with engram.open(killed, read_only=True) as store:
        checked = store.verify()
        assert checked.rows_of_no_memory == checked.catalog_rows - checked.memories > 0
    assert (killed / "catalog.sqlite").read_bytes() == before


def test_rows_that_an_earlier_kill_left_go_at_a_checkpoint(folder: Path) -> None:
    with engram.open(folder, DIM) as store:
        store_all(store, 1)
        store.forget("m0")
    stray = ("gone", "its text", None, 1.0, 0.5)
    values = engram._native.with_crcs([(1, *stray)])
    with contextlib.closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("INSERT INTO memories VALUES (?,?,?,?,?,?,?)", values)
    with engram.open(folder) as store:
        assert store.verify().rows_of_no_memory == 1
        store.checkpoint()
        assert store.verify().rows_of_no_memory == 0
    assert ids_in_catalog(folder) == current()


def test_a_damaged_row_is_left_for_verify_to_tell_of(folder: Path) -> None:
    with engram.open(folder, DIM) as store:
        store_all(store, 1)
    with contextlib.closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("INSERT INTO memories VALUES (1, 'gone', NULL, NULL, 1.0, 0.5, 7)")
    with engram.open(folder) as store:
        store.checkpoint()
        with pytest.raises(engram.CorruptionError, match="key 1 does not match its checksum"):
            store.verify()


def test_what_is_replaced_beside_a_sweep_keeps_its_row_until_the_catalog_hears_of_it(folder: Path) -> None:
    with engram.open(folder, DIM, fsync="never") as store:
        store_all(store, 1)
        store.wait_indexed()
        with store._parts.indexer.paused():
            store_all(store, 2)
            store._parts.checkpoints.take()  # the first one sweeps
            assert store.stats()["log"]["synced_lsn"] >= store.stats()["log"]["end_lsn"]
        for row in range(COUNT):
            memory = store.get(f"m{row}")
            assert memory is not None and memory.content == f"version 2 of {row}"
        store.verify()
