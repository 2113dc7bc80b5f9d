"""What an attack on a store found once: each way in is closed."""

from __future__ import annotations

import enum
import gc
import os
from pathlib import Path

import numpy as np
import pytest

import engram

OPEN_FILES = Path("/proc/self/fd")


def open_files(folder: Path) -> list[Path]:
    targets = [link.readlink() for link in OPEN_FILES.iterdir() if link.is_symlink()]
    return [target for target in targets if folder in target.parents]


def test_a_lost_manifest_is_no_new_store(tmp_path: Path) -> None:
    with engram.open(tmp_path / "s", 4, metric="l2") as store:
        store.store("a", np.ones(4))
    (tmp_path / "s" / "manifest").unlink()
    with pytest.raises(engram.CorruptionError, match="manifest"):
        engram.open(tmp_path / "s", 4)
    assert not (tmp_path / "s" / "manifest").exists()


def test_a_lost_manifest_beside_a_checkpoint_is_named(tmp_path: Path) -> None:
    with engram.open(tmp_path / "s", 4, metric="l2") as store:
        store.store("a", np.ones(4))
        store.checkpoint()
    (tmp_path / "s" / "manifest").unlink()
    with pytest.raises(engram.CorruptionError, match="manifest"):
        engram.open(tmp_path / "s", 4, metric="l2")


def test_a_catalog_that_is_lost_below_a_checkpoint_is_refused_before_anything_is_replayed(
    tmp_path: Path,
) -> None:
    with engram.open(tmp_path / "s", 4, metric="l2") as store:
        store.store("old", [1, 2, 3, 4], content="precious")
        store.checkpoint()
        store.store("new", [4, 3, 2, 1])
    (tmp_path / "s" / "catalog.sqlite").unlink()
    for _ in range(2):
        with pytest.raises(engram.CorruptionError, match="catalog"):
            engram.open(tmp_path / "s")


def test_a_vector_that_turns_bad_during_the_call_is_not_stored(tmp_path: Path) -> None:
    vectors = np.ones((3000, 4), np.float32)
    config = engram.Config(batch_bytes=4096)
    with engram.open(tmp_path / "s", 4, fsync="never", config=config) as store:

        def spoil(done: int, total: int) -> None:
            vectors[2999] = np.nan

        with pytest.raises(engram.InvalidVector, match="2999") as refused:
            store.store_many([str(row) for row in range(3000)], vectors, progress=spoil)
        assert len(store) == refused.value.stored
        store.verify()


def test_an_enum_of_text_is_the_text_it_is() -> None:
    class Colour(str, enum.Enum):
        RED = "red"

    with engram.open(None, 2) as store:
        store.store(Colour.RED, [1, 2], content=Colour.RED)
        assert list(store) == ["red"]
        assert "red" in store
        memory = store.get("red")
        assert memory is not None
        assert memory.content == "red"


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the system has no /proc")
def test_a_closed_store_holds_no_file_though_it_is_kept(tmp_path: Path) -> None:
    store = engram.open(tmp_path / "s", 4)
    store.store("a", np.ones(4))
    hits = store.recall(np.ones(4))
    assert open_files(tmp_path)
    store.close()
    gc.collect()
    assert not open_files(tmp_path)
    assert hits[0].id == "a"
    assert hits[0] == hits[0] and hits[0] in hits


def test_a_path_need_not_be_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with engram.open(folder, 4) as store:
        store.store("a", np.ones(4))
    with engram.open(folder) as store:
        assert len(store) == 1
