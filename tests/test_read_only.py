"""Opening a store for reading writes nothing and creates nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import engram


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def closed(folder: Path) -> None:
    with engram.open(folder, 4, metric="l2") as store:
        fill(store)


def closed_without_draining(folder: Path) -> None:
    store = engram.open(folder, 4, metric="l2")
    fill(store)
    store.close(drain=False)


def killed(folder: Path) -> None:
    """A writer that was killed leaves a WAL of SQLite beside the catalog."""
    code = f"""
import os, signal, sys
from pathlib import Path
from tests.test_read_only import fill
import engram
store = engram.open(Path({str(folder)!r}), 4, metric="l2", fsync="never")
fill(store)
store.wait_indexed()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert (folder / "catalog.sqlite-wal").stat().st_size > 0


def without_catalog(folder: Path) -> None:
    closed(folder)
    (folder / "catalog.sqlite").unlink()


def with_an_older_catalog(folder: Path) -> None:
    """The catalog as a power cut may leave it: behind the log, with versions that were replaced since."""
    with engram.open(folder, 4, metric="l2") as store:
        store.store_many([str(row) for row in range(60)], np.ones((60, 4)), contents=["old"] * 60)
    older = folder.with_name("older.sqlite")
    shutil.copy(folder / "catalog.sqlite", older)
    with engram.open(folder, 4, metric="l2") as store:
        fill(store)
        for row in range(50, 60):
            store.forget(str(row))
    shutil.move(older, folder / "catalog.sqlite")


def fill(store: engram.MemoryStore) -> None:
    vectors = np.arange(200, dtype=np.float32).reshape(50, 4)
    store.store_many([str(row) for row in range(50)], vectors, contents=[f"text {row}" for row in range(50)])
    store.store("7", vectors[7], content="newer", metadata={"n": 1})
    store.store("extra", vectors[8])
    store.forget("extra")


def check(store: engram.MemoryStore) -> None:
    assert sorted(store, key=int) == [str(row) for row in range(50)]
    for row in range(50):
        found = store.get(str(row))
        assert found is not None
        assert found.vector.tolist() == [4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3]
        assert found.content == ("newer" if row == 7 else f"text {row}")
    hits = store.recall([28, 29, 30, 31], k=3)
    assert hits[0].content == "newer"
    assert hits[0].metadata == {"n": 1}
    assert store.verify().memories == 50
    assert store.wait_indexed(timeout=5)
    store.flush()
    assert store.read_only
    assert "read-only" in repr(store)
    assert store.stats()["memories"] == 50


STATES = [closed, closed_without_draining, killed, without_catalog, with_an_older_catalog]


@pytest.mark.parametrize("leave", STATES, ids=lambda each: each.__name__)
def test_reading_leaves_every_byte_and_time_as_it_was(folder: Path, leave: Callable[[Path], None]) -> None:
    leave(folder)
    before = snapshot(folder)

    for _ in range(2):
        with engram.open(folder, read_only=True) as store:
            check(store)
            assert snapshot(folder) == before
    assert snapshot(folder) == before


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere")
@pytest.mark.parametrize("leave", [closed, killed], ids=lambda each: each.__name__)
def test_a_folder_that_nobody_may_write_to_is_read(leave: Callable[[Path], None]) -> None:
    # Not in pytest's own folders: those are closed to other users.
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "memories"
        leave(folder)
        Path(temporary).chmod(0o755)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        code = f"""
import engram
from pathlib import Path
from tests.test_read_only import check
with engram.open(Path({str(folder)!r}), read_only=True) as store:
    check(store)
try:
    engram.open(Path({str(folder)!r}))
except engram.EngramError as error:
    print(error)
else:
    print("it could be opened for writing")
"""
        somebody = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        where = Path(__file__).parents[1]
        can_run = subprocess.run(
            [*somebody, sys.executable, "-c", "import tests.model"],
            cwd=where,
            capture_output=True,
            check=False,
        )
        done = subprocess.run(
            [*somebody, sys.executable, "-c", code],
            cwd=where,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)

    if can_run.returncode != 0:
        pytest.skip("Python or these tests are closed to other users")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(folder) in done.stdout


def test_reading_copies_to_no_folder_that_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(folder)
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))

    with engram.open(folder, read_only=True) as store:
        check(store)
        assert list(aside.iterdir())
    assert list(aside.iterdir()) == []


def test_reading_what_is_no_store_creates_none(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(engram.InvalidInput, match="not an Engram store"):
            engram.open(path, 4, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_its_lock_file_says_who_makes_it_anew(folder: Path) -> None:
    closed(folder)
    (folder / "lock").unlink()

    with pytest.raises(engram.EngramError, match="lock is missing: open the store for writing once"):
        engram.open(folder, read_only=True)

    assert not (folder / "lock").exists()
    engram.open(folder).close()
    with engram.open(folder, read_only=True) as store:
        assert len(store) > 0
