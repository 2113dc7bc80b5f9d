"""What lies where a file of a store should, and is none: named at once, and never waited for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import engram
from engram.repair import repair
from tests.policies import Everything
from tests.tiered import DIM, config, open_filled

LOOK = """
import sys, engram
try:
    engram.open(sys.argv[1], read_only=sys.argv[2] == "read-only").close()
except engram.EngramError as error:
    print(type(error).__name__, error)
else:
    print("opened")
"""

FILES = [
    "manifest",
    "lock",
    "wal/*.wal",
    "hot-*.graph",
    "hot-*.rows",
    "seg-*.warm",
    "tiers-*",
    "catalog.sqlite",
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))  # a whole path may be longer than an address can be


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has a file of each kind."""
    folder = tmp_path_factory.mktemp("no_files") / "store"
    with open_filled(folder, config(Everything(engram.Tier.WARM)), 100) as store:
        store.migrate()
        store.store("hot", np.ones(DIM))
        store.checkpoint()
        store.forget("m1")
        store.checkpoint()
    return folder


def put(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Has something else lie there; which file it was."""
    place = next(iter(sorted(folder.glob(name))), folder / name)
    assert "*" not in place.name, f"there is no {name}: {sorted(folder.iterdir())}"
    place.unlink(missing_ok=True)
    make(place)
    return place


def look(folder: Path, how: str) -> str:
    """What a process of its own is told, so that one that hangs can be ended."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder), how], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


@pytest.mark.parametrize("make", [pipe, sock, device], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", FILES)
def test_it_is_named_at_opening(
    built: Path, folder: Path, name: str, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    place = put(folder, name, make)

    for how in ("read-only", "to write"):
        told = look(folder, how)
        assert told.startswith("CorruptionError"), told
        assert str(place) in told


@pytest.mark.parametrize("name", ["activation", "activity.json"])
def test_what_a_store_can_do_without_is_passed_over(built: Path, folder: Path, name: str) -> None:
    shutil.copytree(built, folder)
    put(folder, name, pipe)
    for how in ("read-only", "to write"):
        assert look(folder, how) == "opened\n"


def test_an_index_is_not_loaded_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index")
    with pytest.raises(engram.CorruptionError, match="index is a named pipe"):
        engram.Index.load(tmp_path / "index")


@pytest.mark.parametrize("name", ["manifest", "hot-*.graph", "catalog.sqlite"])
def test_repair_puts_it_aside(built: Path, folder: Path, name: str) -> None:
    shutil.copytree(built, folder)
    with engram.open(folder, read_only=True) as store:
        count = len(store)
    place = put(folder, name, pipe)

    report = repair(folder, dim=DIM, metric="l2")

    assert report.damaged
    assert report.kept_aside is not None
    assert (Path(report.kept_aside) / place.name).is_fifo()
    with engram.open(folder, read_only=True) as store:
        assert len(store) + len(report.gone) + report.unnamed >= count
        store.verify()
