"""The exchange of a repaired store's files for the damaged ones: whatever fails, whenever the power goes.

A power cut is made from what the exchange asked of the system: of the renames since their folder was last
synced any subset reaches the disk, each whole or not at all.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import engram
from engram import _exchange, _native
from engram.catalog_salvage import SalvagedCatalog
from engram.repair import repair

DIM = 4
SEED = int(os.environ.get("ENGRAM_EXCHANGE_SEED", str(random.SystemRandom().randrange(2**32))))
LONG = os.environ.get("ENGRAM_LONG_TESTS") == "1"
CUTS = 400 if LONG else 40

Held = dict[str, tuple[bytes, str | None]]


def held_by(folder: Path) -> Held:
    with engram.open(folder, read_only=True) as store:
        store.verify()
        found = {id: store.get(id) for id in store}
    return {id: (memory.vector.tobytes(), memory.content) for id, memory in found.items() if memory}


@pytest.fixture
def damaged(folder: Path) -> tuple[Path, Held]:
    """A store that lost its checkpoint's rows, which repair makes whole; and what it held."""
    with engram.open(folder, DIM, metric="l2") as store:
        for row in range(6):
            store.store(f"early {row}", np.full(DIM, row, np.float32), content=f"text {row}")
        store.checkpoint()
        store.store("late", np.ones(DIM), content="text")
        store.wait_indexed()
    held = held_by(folder)
    next(folder.glob("hot-*.rows")).unlink()
    return folder, held


@dataclass
class Disk:
    """The names of a folder's tree as a cut would leave them."""

    root: Path
    durable: dict[Path, Path] = field(default_factory=dict)  # name -> where its content was kept
    renamed: list[tuple[Path, Path]] = field(default_factory=list)  # not made durable yet

    def begin(self) -> None:
        self.durable = {each: each for each in self.root.rglob("*") if each.is_file()}

    def rename(self, old: Path, new: Path) -> None:
        self.renamed.append((old, new))

    def sync_folder(self, folder: Path) -> None:
        """Makes durable what was renamed in or out of it."""
        for pair in [each for each in self.renamed if folder in (each[0].parent, each[1].parent)]:
            self._apply(*pair)
            self.renamed.remove(pair)

    def cut(self, to: Path, drawn: random.Random, kept: Path) -> None:
        """What a cut leaves, as a tree of its own."""
        after = Disk(self.root, dict(self.durable))
        for pair in self.renamed:
            if drawn.random() < 0.5:
                after._apply(*pair)
        for name, content in after.durable.items():
            place = to / name.relative_to(self.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept / content.relative_to(self.root), place)

    def _apply(self, old: Path, new: Path) -> None:
        moved = {name: content for name, content in self.durable.items() if old in (name, *name.parents)}
        for name, content in moved.items():
            del self.durable[name]
            self.durable[new / name.relative_to(old) if name != old else new] = content


def record(monkeypatch: pytest.MonkeyPatch, before: Callable[[str, tuple[Path, ...]], None]) -> None:
    """Calls `before` ahead of every step of an exchange."""
    for name in ("rename", "sync_folder", "sync_file"):
        original = getattr(_native, name)

        def step(*paths: Path, name: str = name, original: Callable[..., None] = original) -> None:
            before(name, paths)
            original(*paths)

        monkeypatch.setattr(_native, name, step)


def check_whole(folder: Path, held: Held) -> None:
    """Repaired as often as it takes, the store holds everything."""
    report = repair(folder)
    if report.damaged or report.finished:
        assert report.lossless
        assert report.kept_aside is not None
        assert list(Path(report.kept_aside).glob("hot-*.graph")), "the damaged files were not kept"
    assert held_by(folder) == held
    assert not repair(folder).damaged
    assert not list(folder.glob("repair.*"))


def test_a_power_cut_at_any_step_leaves_the_old_store_or_the_new_or_one_to_finish(
    damaged: tuple[Path, Held], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"ENGRAM_EXCHANGE_SEED={SEED}")
    folder, held = damaged
    drawn = random.Random(SEED)
    disk = Disk(folder)
    kept = tmp_path / "kept"
    cuts: list[Disk] = []
    finished: list[bool] = []

    def before(name: str, paths: tuple[Path, ...]) -> None:
        if name == "rename" and paths[1].name == _exchange.READY:  # all is built and synced
            shutil.copytree(folder, kept)
            disk.begin()
        if not disk.durable:
            return
        cuts.append(Disk(folder, dict(disk.durable), list(disk.renamed)))
        if name == "rename":
            disk.rename(*paths)
        elif name == "sync_folder":
            disk.sync_folder(*paths)

    with monkeypatch.context() as patched:
        record(patched, before)
        repair(folder)
    assert held_by(folder) == held
    assert len(cuts) > 15

    for number in range(CUTS):
        left = tmp_path / f"cut-{number}"
        cuts[number % len(cuts)].cut(left, drawn, kept)
        finished.append((left / _exchange.READY / "manifest").exists())
        check_whole(left, held)
        shutil.rmtree(left)
    assert any(finished)
    assert not all(finished)


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
def test_a_step_that_fails_is_reported_and_can_be_done_again(
    damaged: tuple[Path, Held], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_good: bool
) -> None:
    folder, held = damaged
    number, count, done = 0, 0, False

    def before(name: str, paths: tuple[Path, ...]) -> None:
        nonlocal count
        count += 1
        if count == number or (for_good and 0 < number < count):
            raise engram.EngramError(f"cannot {name} {paths[0]}: No space left on device")

    while not done:
        copy = Path(shutil.copytree(folder, tmp_path / "copy"))
        count = 0
        with monkeypatch.context() as patched:
            record(patched, before)
            try:
                repair(copy)
                done = number > 0
            except engram.EngramError as error:
                assert "No space left" in str(error)
        check_whole(copy, held)
        shutil.rmtree(copy)
        number += 1 if LONG else 4
    assert number > 15


def test_a_full_disk_while_the_new_store_is_built_leaves_the_old_one(
    damaged: tuple[Path, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, held = damaged

    def files() -> dict[Path, bytes]:
        every = (each for each in folder.rglob("*") if each.is_file() and each.name != "lock")
        return {each: each.read_bytes() for each in every}

    before = files()
    stores = 0

    def full(self: engram.MemoryStore, *_: object) -> None:
        nonlocal stores
        stores += 1
        if stores > 3:
            raise engram.OutOfSpace("the disk has no room")

    with monkeypatch.context() as patched:
        patched.setattr(engram.MemoryStore, "restore", full)
        with pytest.raises(engram.OutOfSpace):
            repair(folder)
    assert stores == 4
    assert files() == before
    check_whole(folder, held)


@pytest.mark.parametrize("call", ["shutil.copyfile", "engram._native.sync_file", "engram._native.rename"])
def test_a_full_disk_is_told_as_such_wherever_it_shows(
    damaged: tuple[Path, Held], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder, held = damaged

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(call, full)
        with pytest.raises(engram.OutOfSpace, match="free some space") as raised:
            repair(folder)
    assert str(folder) in str(raised.value)
    assert not (folder / "repair.tmp").exists()
    check_whole(folder, held)


def test_what_the_system_refuses_is_an_error_of_engrams(
    damaged: tuple[Path, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, held = damaged

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", refuse)
        with pytest.raises(engram.EngramError, match="cannot be repaired"):
            repair(folder)
    check_whole(folder, held)


def test_the_catalog_of_a_killed_store_is_read_without_a_file_more(folder: Path, tmp_path: Path) -> None:
    with engram.open(folder, DIM) as store:
        store.store("id", np.ones(DIM), content="text")
        store.wait_indexed()
        store.checkpoint()  # with it the catalog has all
        left = tmp_path / "left"
        left.mkdir()
        for name in ("catalog.sqlite", "catalog.sqlite-wal"):
            shutil.copyfile(folder / name, left / name)
    catalog = SalvagedCatalog(left / "catalog.sqlite", tmp_path / "copy")
    try:
        assert (catalog.whole, list(catalog.keys.values())) == (True, ["id"])
        assert {file.name for file in (tmp_path / "copy").iterdir()} == {
            "catalog.sqlite",
            "catalog.sqlite-wal",
        }
    finally:
        catalog.close()
