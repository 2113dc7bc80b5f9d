"""`engram import`: what it reads, what it refuses, and what it leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import engram

pytest.importorskip("typer", reason='the extra is missing: pip install "engram-store[cli]"')
pytest.importorskip("rich")

from engram.cli.importing import _wait_indexed
from tests.commands import answer, filled, run


@pytest.fixture
def store(folder: Path) -> Path:
    return filled(folder)


def vectors_of(folder: Path) -> dict[str, list[float]]:
    with engram.open(folder, read_only=True) as store:
        return {id: found.vector.tolist() for id in store if (found := store.get(id)) is not None}


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i8", ">f4"])
def test_import_npy(folder: Path, tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "base.npy", np.arange(40).reshape(10, 4).astype(dtype))

    told = answer("import", folder, tmp_path / "base.npy", "--metric", "l2")

    assert (told["stored"], told["memories"]) == (10, 10)
    expected = {f"base-{row}": [4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3] for row in range(10)}
    assert vectors_of(folder) == expected
    assert answer("import", folder, tmp_path / "base.npy")["memories"] == 10
    assert answer("import", folder, tmp_path / "base.npy", "--id-prefix", "x")["memories"] == 20


def test_import_many_rows(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", np.random.default_rng(0).standard_normal((20_000, 8)).astype("f4"))

    assert answer("import", folder, tmp_path / "base.npy")["stored"] == 20_000
    assert answer("verify", folder)["memories"] == 20_000


def test_import_npz(folder: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "rows.npz",
        vectors=np.eye(3),
        ids=np.array(["a", "b", "c"]),
        contents=np.array(["x", "", "z"]),
    )

    assert answer("import", folder, tmp_path / "rows.npz")["stored"] == 3
    with engram.open(folder, read_only=True) as store:
        contents = [found.content for id in "abc" if (found := store.get(id)) is not None]
    assert contents == ["x", "", "z"]


def test_import_fvecs(folder: Path, tmp_path: Path) -> None:
    rows = np.zeros((5, 3), "<i4")
    rows[:, 0] = 2
    rows[:, 1:] = np.arange(1, 11).astype("<f4").view("<i4").reshape(5, 2)
    rows.tofile(tmp_path / "base.fvecs")

    assert answer("import", folder, tmp_path / "base.fvecs", "--metric", "l2")["stored"] == 5
    assert vectors_of(folder)["base-4"] == [9, 10]


def test_import_jsonl(folder: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "vector": [1, 2], "content": "é", "metadata": {"n": 1}, "confidence": 0.5},
        {"vector": [3.5, 4]},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))

    assert answer("import", folder, tmp_path / "m.jsonl", "--metric", "l2")["stored"] == 2
    with engram.open(folder, read_only=True) as store:
        a, second = store.get("a"), store.get("m-2")
    assert a is not None
    assert second is not None
    assert (a.content, a.metadata, a.confidence, a.vector.tolist()) == ("é", {"n": 1}, 0.5, [1, 2])
    assert second.vector.tolist() == [3.5, 4]


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "no npy": ("a.npy", b"nonsense", "cannot be read"),
    "empty npy": ("a.npy", b"", "cannot be read"),
    "no npz": ("a.npz", b"nonsense", "cannot be read"),
    "empty fvecs": ("a.fvecs", b"", "fvecs"),
    "cut fvecs": ("a.fvecs", b"\2\0\0\0" + b"\0" * 7, "fvecs"),
    "negative fvecs": ("a.fvecs", b"\xff\xff\xff\xff" * 3, "fvecs"),
    "mixed fvecs": ("a.fvecs", b"\1\0\0\0" + b"\0" * 4 + b"\2\0\0\0" + b"\0" * 4, "different dimensions"),
    "no json": ("a.jsonl", b'{"vector": [1, 2]}\n{', "line 2 is not JSON"),
    "a list": ("a.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
    "another field": ("a.jsonl", b'{"vector": [1, 2], "text": "x"}', "field 'text'"),
    "no vector in one": ("a.jsonl", b'{"vector": [1, 2]}\n{"content": "x"}', "line 2"),
    "another dimension": ("a.jsonl", b'{"vector": [1, 2]}\n{"vector": [1, 2, 3]}', "line 2"),
    "a bad id": ("a.jsonl", b'{"vector": [1, 2]}\n\n{"vector": [1, 2], "id": 7.5}', "line 3: the id 7.5"),
    "no vector but a text": ("a.jsonl", b'{"vector": [1, 2]}\n{"vector": "ab"}', "line 2"),
    "brackets": ("a.jsonl", b"[" * 100_000, "line 1"),
    "a zero": ("a.jsonl", b'{"vector": [0, 0]}', "zero"),
    "no utf-8": ("a.jsonl", b'{"content": "\xff"}', "UTF-8"),
    "nothing": ("a.jsonl", b"\n", "no memories"),
}


@pytest.mark.parametrize(("name", "data", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_ends_with_2_and_says_where(
    folder: Path, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)

    done = run("import", folder, tmp_path / name)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize(
    "array", [np.ones(3), np.ones((2, 0)), np.array([["a"]]), np.array([[None]]), np.array([[1j]])], ids=str
)
def test_a_bad_array_ends_with_2(folder: Path, tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)

    done = run("import", folder, tmp_path / "a.npy")

    assert done.returncode == 2, done.stderr
    assert "a.npy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_row_far_down_tells_how_many_are_stored(folder: Path, tmp_path: Path) -> None:
    rows = np.ones((20_000, 2), "f4")
    rows[17_000, 0] = np.nan
    np.save(tmp_path / "a.npy", rows)

    done = run("import", folder, tmp_path / "a.npy")

    assert done.returncode == 2
    assert "row 17000: " in done.stderr
    assert "the first 16384 rows are stored" in done.stderr
    assert answer("stats", folder)["memories"] == 16_384


def test_a_bad_line_tells_its_number_and_what_is_stored(store: Path, tmp_path: Path) -> None:
    lines = [{"vector": [1, 2, 3, row], "confidence": 0.5} for row in range(5)]
    lines[3]["vector"] = [1, 2, 3, None]
    (tmp_path / "m.jsonl").write_text("\n\n".join(map(json.dumps, lines)))

    done = run("import", store, tmp_path / "m.jsonl")

    assert done.returncode == 2
    assert "m.jsonl, line 7: " in done.stderr
    assert "the first 3 rows are stored" in done.stderr
    assert answer("stats", store)["memories"] == 23


def test_import_takes_a_byte_order_mark_and_integer_ids(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"id": 7, "vector": [1, 2]}\n', encoding="utf-8-sig")
    np.savez(tmp_path / "m.npz", vectors=np.ones((1, 2)), ids=np.array([8]))

    assert answer("import", folder, tmp_path / "m.jsonl")["stored"] == 1
    assert answer("import", folder, tmp_path / "m.npz")["stored"] == 1
    assert set(vectors_of(folder)) == {"7", "8"}


def test_the_bar_of_indexing_moves(memory: engram.MemoryStore, rng: np.random.Generator) -> None:
    bars, seen = mock.Mock(), []
    pending = iter([90, 60, 0])
    store = mock.Mock()
    store.stats.side_effect = lambda: {"queue": memory.stats()["queue"] | {"pending": next(pending)}}
    store.wait_indexed.side_effect = [False, False, True]
    bars.update.side_effect = lambda task, completed: seen.append(completed)

    _wait_indexed(store, bars)

    assert seen == [30, 90, 90]


def test_help_tells_the_defaults() -> None:
    told = " ".join(run("import", "--help").stdout.replace("│", " ").split())
    assert "Default: cosine." in told
    assert "Default: the file's name and a dash." in told


def test_ctrl_c_ends_with_130_and_leaves_a_sound_store(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((400_000, 32)).astype("f4"))
    code = "from engram.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "import", str(folder), str(tmp_path / "a.npy")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "manifest").exists():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=60)

    assert child.returncode == 130, complaint
    assert "Traceback" not in complaint
    assert answer("verify", folder)["ok"]
