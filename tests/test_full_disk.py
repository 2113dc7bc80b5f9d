"""Where the disk is full, an open or a checkpoint says so, and goes on when there is room again."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import engram

DIM = 16
SIZE = 4 << 20
STEP = 16 << 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be made by root alone")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fills the disk but for `leave` bytes, less if a store writes meanwhile; the file is returned."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while (room := free(disk) - leave) > 0:
            try:
                file.write(b"x" * min(room, STEP))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                break
    return filler


def free(disk: Path) -> int:
    room = os.statvfs(disk)
    return room.f_bavail * room.f_frsize


@pytest.mark.parametrize("new", [True, False])
def test_an_open_on_a_full_disk_says_so_and_harms_nothing(small_disk: Path, new: bool) -> None:
    refused = 0
    for leave in range(0, 24 * STEP, STEP):
        folder = small_disk / f"store{leave}"
        if not new:
            with engram.open(folder, DIM) as store:
                store.store("a", np.ones(DIM), content="x" * 2000)
                store.checkpoint()
        filler = fill(small_disk, leave)
        try:
            engram.open(folder, DIM).close()
        except engram.OutOfSpace as error:
            refused += 1
            assert "free some space" in str(error)
        filler.unlink()
        with engram.open(folder, DIM) as store:
            assert list(store) == ([] if new else ["a"])
            store.verify()
        subprocess.run(["rm", "-r", str(folder)], check=True)
    assert refused > 0


@pytest.mark.parametrize("leave", [8 << 10, 200 << 10], ids=["none for the catalog", "none for the graph"])
def test_a_checkpoint_on_a_full_disk_says_so_and_harms_nothing(small_disk: Path, leave: int) -> None:
    with engram.open(small_disk / "store", DIM) as store:
        store.store_many(
            [f"{row}" for row in range(2000)], np.random.default_rng(0).standard_normal((2000, DIM))
        )
        store.wait_indexed()
        filler = fill(small_disk, leave)
        with pytest.raises(engram.OutOfSpace, match="free some space"):
            store.checkpoint()
        filler.unlink()
        assert store.checkpoint() > 0
        assert len(store) == 2000
        store.verify()
