"""One process writes to a store, or many read it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram._parts import Parts


@contextmanager
def holder(folder: Path, *, read_only: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open until it is told to end."""
    code = f"""
import engram
store = engram.open({str(folder)!r}, 4, read_only={read_only})
print("open", flush=True)
input()
store.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    try:
        yield process
    finally:
        process.communicate("\n" if process.poll() is None else None, timeout=30)


def test_a_second_writer_is_told_who_the_first_is(folder: Path) -> None:
    with holder(folder) as other:
        for read_only in (False, True):
            with pytest.raises(engram.StoreLocked, match=rf"\b{other.pid}\b"):
                engram.open(folder, read_only=read_only)
    with engram.open(folder) as store:
        assert len(store) == 0


def test_a_second_writer_in_the_same_process_is_refused(folder: Path) -> None:
    with engram.open(folder, 4) as store:
        with pytest.raises(engram.StoreLocked, match=rf"\b{os.getpid()}\b"):
            engram.open(folder)
        store.store("a", np.ones(4))
    with engram.open(folder) as store:
        assert list(store) == ["a"]


def test_the_process_itself_is_named_as_such(folder: Path, tmp_path: Path) -> None:
    here = rf"by process {os.getpid()}, this very one"
    with engram.open(folder, 4):
        for path in (folder, tmp_path / "elsewhere" / ".." / folder.name):
            (tmp_path / "elsewhere").mkdir(exist_ok=True)
            with pytest.raises(engram.StoreLocked, match=f"writing {here}"):
                engram.open(path)
    with engram.open(folder, read_only=True), pytest.raises(engram.StoreLocked, match=f"reading {here}"):
        engram.open(folder)
    with (
        engram.open(tmp_path / "another", 4),
        holder(folder) as other,
        pytest.raises(engram.StoreLocked, match=rf"writing by process {other.pid};"),
    ):
        engram.open(folder)


def test_a_killed_holder_frees_the_lock(folder: Path) -> None:
    with holder(folder) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()

        with engram.open(folder) as store:
            store.store("a", np.ones(4))


def test_many_readers_keep_a_writer_out(folder: Path) -> None:
    engram.open(folder, 4).close()
    with holder(folder, read_only=True), engram.open(folder, read_only=True) as reader:
        assert len(reader) == 0
        with pytest.raises(engram.StoreLocked, match="read"):
            engram.open(folder)
    engram.open(folder).close()


def test_a_failed_open_leaves_no_lock_behind(folder: Path) -> None:
    engram.open(folder, 4).close()
    for _ in range(3):
        with pytest.raises(engram.DimensionMismatch):
            engram.open(folder, 5)
    (folder / "catalog.sqlite").write_bytes(b"this is no database, and long enough to be looked at" * 100)
    for _ in range(3):
        with pytest.raises(engram.CorruptionError):
            engram.open(folder)
    (folder / "catalog.sqlite").unlink()
    engram.open(folder).close()


def test_a_store_whose_folder_was_replaced_writes_nothing_into_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with engram.open(folder, 2) as first:
        first.store("theirs", [1.0, 0.0])
        folder.rename(tmp_path / "moved")
        with engram.open(folder, 2) as second:
            second.store("ours", [0.0, 1.0])
            with pytest.raises(engram.EngramError, match="moved or replaced"):
                first.checkpoint()
            with pytest.raises(engram.EngramError, match="moved or replaced"):
                first.migrate()
    with engram.open(folder) as second:
        assert list(second) == ["ours"]
        second.verify()
    with engram.open(tmp_path / "moved") as first:
        assert list(first) == ["theirs"]


@pytest.mark.parametrize("part", ["migrator", "prober", "indexer"])
def test_ctrl_c_within_close_leaves_no_lock_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    store = engram.open(folder, 2)
    store.store("a", [1.0, 0.0])
    thing = getattr(store._parts, part)
    stop = thing.stop
    interrupts = iter([KeyboardInterrupt])

    def interrupted(*arguments: Any, **named: Any) -> Any:
        for error in interrupts:
            raise error
        return stop(*arguments, **named)

    monkeypatch.setattr(thing, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.close()
    store.close()

    with engram.open(folder) as again:
        assert "a" in again


def test_a_close_that_ctrl_c_ended_before_it_began_can_be_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engram.open(folder, 2)
    with monkeypatch.context() as patched:
        patched.setattr(Parts, "shut", lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.close()
    store.close()

    engram.open(folder).close()
