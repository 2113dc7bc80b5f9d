"""`engram repair` keeps what can be read of a damaged store and says exactly what it could not keep."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram.repair import RepairReport, repair

DIM = 4
IN_CHECKPOINT = 20
LONG = os.environ.get("ENGRAM_LONG_TESTS") == "1"

Held = tuple[bytes, str | None, Mapping[str, object] | None, float, float]  # vector, and the rest of a Memory


@dataclass
class Built:
    """A store of twenty memories in a checkpoint and twenty more in the log, and what it held."""

    folder: Path
    held: dict[str, Held]

    @property
    def segment(self) -> Path:
        """The segment that holds what came after the checkpoint."""
        return max((self.folder / "wal").glob("0*.wal"), key=lambda file: file.read_bytes().count(b"late-"))


def vector(row: int) -> np.ndarray:
    return np.array([row, 1.5, -row, 0.25], np.float32)


def put(store: engram.MemoryStore, id: str, row: int) -> None:
    store.store(id, vector(row), content=f"text {row}", metadata={"row": row}, confidence=1 / (row + 1))


def held_by(folder: Path) -> dict[str, Held]:
    with engram.open(folder, read_only=True) as store:
        store.verify()
        held: dict[str, Held] = {}
        for id in store:
            memory = store.get(id)
            assert memory is not None
            held[id] = (
                memory.vector.tobytes(),
                memory.content,
                memory.metadata,
                memory.confidence,
                memory.created_at,
            )
        hits = store.recall(vector(3), k=100)
        assert {hit.id for hit in hits} == set(held)
    return held


@pytest.fixture
def built(folder: Path) -> Built:
    with engram.open(folder, DIM, metric="l2") as store:
        for row in range(IN_CHECKPOINT):
            put(store, f"early-{row}", row)
        put(store, "early-3", 33)
        store.forget("early-4")
    with engram.open(folder) as store:  # which begins a new segment, so that the old one can go
        store.checkpoint()
        for row in range(20):
            put(store, f"late-{row}", 100 + row)
        put(store, "early-5", 55)
        store.forget("early-6")
        store.wait_indexed()
    return Built(folder, held_by(folder))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def flip(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 0x10]))


def at_text(file: Path, text: str) -> int:
    found = file.read_bytes().find(text.encode())
    assert found > 0
    return found


def repaired(built: Built) -> RepairReport:
    """Repairs a damaged store, and checks what holds for every repair."""
    before = files_of(built.folder)
    with pytest.raises(engram.CorruptionError), engram.open(built.folder, read_only=True) as store:
        store.verify()
    report = repair(built.folder)
    assert report.damaged
    assert report.damage
    assert report.kept_aside == str(built.folder / "damaged-1")
    aside = files_of(built.folder / "damaged-1")
    del aside["report.json"], before["lock"]
    assert {name: aside[name] for name in before} == before
    assert report.kept == len(held_by(built.folder))
    assert not (built.folder / "repair.tmp").exists()
    assert not (built.folder / "repair.ready").exists()
    after = files_of(built.folder)
    assert not repair(built.folder).damaged
    assert files_of(built.folder).keys() == after.keys()
    return report


def without(held: dict[str, Held], *ids: str) -> dict[str, Held]:
    return {id: each for id, each in held.items() if id not in ids}


def lose_the_folder(log: Path) -> None:
    shutil.rmtree(log)


def lose_the_segments(log: Path) -> None:
    for file in log.glob("*.wal"):
        file.unlink()


def cut_the_last_segment(log: Path) -> None:
    os.truncate(max(log.glob("0*.wal")), 4096)


@pytest.mark.parametrize("lose", [lose_the_folder, lose_the_segments, cut_the_last_segment])
def test_a_log_without_its_end_is_never_called_whole(folder: Path, lose: Callable[[Path], None]) -> None:
    code = f"""
import os, numpy as np, engram
store = engram.open({str(folder)!r}, {DIM}, metric="l2")
store.store_many([f"a{{row}}" for row in range(200)], np.ones((200, {DIM}), "f4"))
store.checkpoint()
store.store_many([f"b{{row}}" for row in range(300)], np.ones((300, {DIM}), "f4"))
os._exit(0)  # before the catalog, which lags behind the log, has heard of all
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    lose(folder / "wal")

    report = repair(folder)

    assert report.end_unknown
    assert not report.lossless
    with engram.open(folder, read_only=True) as store:
        store.verify()
        assert {f"a{row}" for row in range(200)} <= set(store)


def test_a_sound_store_is_left_as_it_is(built: Built) -> None:
    before = {name: data for name, data in files_of(built.folder).items() if name != "lock"}
    report = repair(built.folder)
    assert (report.damaged, report.lossless, report.kept) == (False, True, len(built.held))
    assert {name: data for name, data in files_of(built.folder).items() if name != "lock"} == before


def test_a_flip_in_the_middle_of_the_log_costs_that_record_alone(built: Built) -> None:
    flip(built.segment, at_text(built.segment, "late-7text"))
    with pytest.raises(engram.CorruptionError, match="engram repair"):
        engram.open(built.folder)
    report = repaired(built)
    assert report.gone == ["late-7"]
    assert len(report.unreadable) == 1
    assert report.unreadable[0].file.endswith(".wal")
    assert report.unreadable[0].begin_lsn < report.unreadable[0].end_lsn
    assert (report.unnamed, report.texts_lost, report.outdated) == (0, [], [])
    assert held_by(built.folder) == without(built.held, "late-7")


def test_a_newer_version_that_is_lost_brings_back_the_older_and_says_so(built: Built) -> None:
    flip(built.segment, at_text(built.segment, "early-5text"))
    report = repaired(built)
    assert (report.gone, report.outdated) == ([], ["early-5"])
    held = held_by(built.folder)
    assert held["early-5"][1] == "text 5"
    assert without(held, "early-5") == without(built.held, "early-5")


def test_a_lost_forget_brings_back_the_forgotten_and_says_so(built: Built) -> None:
    flip(built.segment, built.segment.read_bytes().rfind(b"early-6"))
    report = repaired(built)
    assert (report.gone, report.outdated) == ([], ["early-6"])
    assert without(held_by(built.folder), "early-6") == built.held


@pytest.mark.parametrize("at", [0, 20, 30, 44, 60, 64, 80, 110])
def test_a_flip_in_the_headers_of_a_segment(built: Built, at: int) -> None:
    """Of the segment (its epoch, its base), of its first group, of its first record."""
    flip(built.segment, at)
    report = repaired(built)
    lost = {"late-0"} if at >= 104 else set()
    assert set(report.gone) == lost
    assert held_by(built.folder) == without(built.held, *lost)


def test_a_missing_segment(built: Built) -> None:
    built.segment.unlink()
    report = repaired(built)
    assert set(report.gone) == {f"late-{row}" for row in range(20)}
    assert set(report.outdated) == {"early-5", "early-6"}
    assert report.unreadable
    held = held_by(built.folder)
    assert held.keys() == {id for id in built.held if id.startswith("early")} | {"early-6"}


def test_a_damaged_graph_costs_what_only_it_held(built: Built) -> None:
    (graph,) = built.folder.glob("hot-*.graph")
    flip(graph, graph.stat().st_size // 2)
    report = repaired(built)
    early = {id for id in built.held if id.startswith("early")}
    kept = held_by(built.folder)
    assert early - set(report.gone) == early & kept.keys()
    assert set(report.gone) == built.held.keys() - kept.keys()
    assert kept == without(built.held, *report.gone)
    assert {f"late-{row}" for row in range(20)} <= kept.keys()


@pytest.mark.parametrize("missing", [False, True])
def test_without_its_rows_a_checkpoint_is_named_by_the_catalog(built: Built, missing: bool) -> None:
    (rows,) = built.folder.glob("hot-*.rows")
    if missing:
        rows.rename(rows.with_name("elsewhere"))
        with pytest.raises(engram.CorruptionError, match="engram repair"):
            engram.open(built.folder)
        report = repair(built.folder)
    else:
        flip(rows, 60)
        report = repaired(built)
    assert report.lossless
    assert held_by(built.folder) == built.held


def test_what_neither_rows_nor_catalog_name_comes_back_from_the_log(built: Built) -> None:
    flip(next(built.folder.glob("hot-*.rows")), 60)
    (built.folder / "catalog.sqlite").unlink()
    report = repaired(built)
    assert (report.gone, report.unnamed, report.texts_lost) == ([], 0, [])
    assert held_by(built.folder) == built.held


def test_vectors_whose_ids_are_lost_are_counted(built: Built) -> None:
    flip(next(built.folder.glob("hot-*.rows")), 60)
    (built.folder / "catalog.sqlite").unlink()
    for file in built.segment.parent.glob("0*.wal"):
        if file != built.segment:
            file.unlink()
    report = repaired(built)
    held = held_by(built.folder)
    assert held.keys() == {f"late-{row}" for row in range(20)} | {"early-5"}
    assert held == {id: built.held[id] for id in held}
    assert report.unnamed >= IN_CHECKPOINT - 1
    assert not report.lossless


def test_a_damaged_row_of_the_catalog_costs_that_text_alone(built: Built) -> None:
    connection = sqlite3.connect(built.folder / "catalog.sqlite")
    connection.execute("UPDATE memories SET content = 'forged' WHERE id IN ('early-1', 'late-1')")
    connection.commit()
    connection.close()
    report = repaired(built)
    held = held_by(built.folder)
    assert report.gone == []
    assert set(report.texts_lost) <= {"early-1"}  # a segment that is still there may have it
    if report.texts_lost:
        assert held["early-1"] == (built.held["early-1"][0], None, None, 0.5, 0.0)
    assert without(held, *report.texts_lost) == without(built.held, *report.texts_lost)


@pytest.mark.parametrize("damage", ["missing", "rubbish", "cut"])
def test_a_catalog_that_is_lost_costs_texts_and_no_vector(built: Built, damage: str) -> None:
    file = built.folder / "catalog.sqlite"
    if damage == "missing":
        file.unlink()
    elif damage == "rubbish":
        file.write_bytes(b"x" * file.stat().st_size)
    else:
        os.truncate(file, 4096)
    report = repaired(built)
    held = held_by(built.folder)
    assert report.gone == []
    assert held.keys() == built.held.keys()
    for id, memory in held.items():
        if id in report.texts_lost:
            assert id.startswith("early")
            assert (memory[0], memory[3]) == (built.held[id][0], built.held[id][3])
            assert (memory[1], memory[2], memory[4]) == (None, None, 0.0)
        else:
            assert memory == built.held[id]


@pytest.mark.parametrize("missing", [False, True])
def test_a_manifest_that_is_lost_is_written_anew_from_the_graph(built: Built, missing: bool) -> None:
    manifest = built.folder / "manifest"
    if missing:
        manifest.unlink()
        with pytest.raises(engram.EngramError, match=r"manifest|not an Engram store"):
            engram.open(built.folder, DIM, metric="l2")
        report = repair(built.folder)
    else:
        flip(manifest, 13)
        report = repaired(built)
    assert report.lossless
    assert held_by(built.folder) == built.held


def test_with_manifest_and_graph_lost_dim_and_metric_are_asked_for(built: Built) -> None:
    (built.folder / "manifest").unlink()
    for file in built.folder.glob("hot-*"):
        file.unlink()
    before = files_of(built.folder)
    with pytest.raises(engram.InvalidInput, match="--dim"):
        repair(built.folder)
    assert {**files_of(built.folder), "lock": b""} == {**before, "lock": b""}
    report = repair(built.folder, dim=DIM, metric="l2")
    held = held_by(built.folder)
    assert held == without(built.held, *report.gone)
    assert {f"late-{row}" for row in range(20)} <= held.keys()
    with pytest.raises(engram.InvalidInput, match="l2"):
        engram.open(built.folder, metric="ip")


def test_another_dim_than_the_manifest_says_is_refused(built: Built) -> None:
    flip(built.segment, at_text(built.segment, "late-7text"))
    with pytest.raises(engram.DimensionMismatch, match="4 dimensions"):
        repair(built.folder, dim=5)
    with pytest.raises(engram.InvalidInput, match="metric"):
        repair(built.folder, metric="ip")


def test_a_log_that_is_missing_leaves_the_checkpoint(built: Built) -> None:
    shutil.rmtree(built.folder / "wal")
    report = repaired(built)
    assert set(report.gone) == {f"late-{row}" for row in range(20)}
    assert report.unreadable


def test_a_second_damage_is_kept_beside_the_first(built: Built) -> None:
    flip(built.segment, at_text(built.segment, "late-7text"))
    repaired(built)
    flip(next(built.folder.glob("hot-*.rows")), 60)
    report = repair(built.folder)
    assert report.kept_aside == str(built.folder / "damaged-2")
    assert report.lossless
    assert held_by(built.folder) == without(built.held, "late-7")


@pytest.mark.parametrize("name", ["manifest", "hot-1.rows", "hot-1.graph"])
def test_a_flipped_version_is_damage_and_a_newer_version_is_not(built: Built, name: str) -> None:
    file = built.folder / name
    flip(file, 8)
    report = repair(built.folder)
    assert report.damaged
    assert held_by(built.folder) == without(built.held, *report.gone)
    if name != "manifest":
        return
    whole = bytearray(file.read_bytes())
    whole[8] = 9
    whole[48:52] = engram._native.crc32c(bytes(whole[:48])).to_bytes(4, "little")
    file.write_bytes(bytes(whole))
    with pytest.raises(engram.UnsupportedFormat):
        repair(built.folder)


def damage_at_random(rng: np.random.Generator, folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "lock")
    file = files[rng.integers(len(files))]
    size = file.stat().st_size
    if file.suffix == ".wal":  # mostly zeros: aim at what is written
        size = max(size - len(file.read_bytes()) + len(file.read_bytes().rstrip(b"\0")), 1)
    kind = ("flip", "zeros", "cut", "remove")[rng.integers(4)]
    at = int(rng.integers(max(size, 1)))
    if kind == "remove":
        file.unlink()
    elif kind == "cut":
        os.truncate(file, at)
    elif size:
        data = bytearray(file.read_bytes())
        data[at : at + 1] = bytes([data[at] ^ 1 << int(rng.integers(8))])
        if kind == "zeros":
            data[at : at + 64] = bytes(len(data[at : at + 64]))
        file.write_bytes(bytes(data))
    return f"{kind} {file.name} at {at}"


@pytest.mark.parametrize("seed", range(200 if LONG else 25))
def test_whatever_is_damaged_a_repair_keeps_only_what_was_there(built: Built, seed: int) -> None:
    rng = np.random.default_rng(seed)
    done = [damage_at_random(rng, built.folder) for _ in range(1 + seed % 3)]
    report = repair(built.folder, dim=DIM, metric="l2")
    held = held_by(built.folder)
    assert report.kept == len(held), done
    assert not report.lossless or held == built.held, done
    for id, memory in held.items():
        if id in report.texts_lost and id not in ("early-3", "early-4", "early-5", "early-6"):
            assert memory[0] == built.held[id][0], done
        elif id in built.held and memory != built.held[id]:
            assert id in ("early-3", "early-5"), done  # an older version
        elif id not in built.held:
            assert id in ("early-4", "early-6"), done  # forgotten once


def test_an_open_store_is_not_repaired(built: Built) -> None:
    with engram.open(built.folder), pytest.raises(engram.StoreLocked):
        repair(built.folder)
    with engram.open(built.folder, read_only=True), pytest.raises(engram.StoreLocked):
        repair(built.folder)


def test_what_is_no_store_is_not_repaired(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(engram.InvalidInput, match="not an Engram store"):
            repair(path)
    assert [each.name for each in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("path", ["", None, b"store", 5, "a\0b"])
def test_what_names_no_folder_is_not_repaired(
    built: Built, monkeypatch: pytest.MonkeyPatch, path: Any
) -> None:
    monkeypatch.chdir(built.folder)
    with pytest.raises(engram.InvalidInput, match="give a str or a Path"):
        repair(path)


@pytest.mark.parametrize("other", [{"dim": DIM + 1}, {"metric": "cosine"}])
def test_a_sound_store_of_another_kind_is_refused(built: Built, other: dict[str, Any]) -> None:
    wanted = engram.DimensionMismatch if "dim" in other else engram.InvalidInput
    with pytest.raises(wanted, match=r"4 dim|l2"):
        repair(built.folder, **other)
    assert not repair(built.folder, dim=DIM, metric="l2").damaged


def run_command(folder: Path, *arguments: str, point: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({} if point is None else {"ENGRAM_CRASH_AT": point})}
    return subprocess.run(
        [sys.executable, "-c", "from engram.cli import main; main()", "repair", str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def numbers(start: int, step: Callable[[int], int]) -> Iterator[int]:
    while True:
        yield start
        start = step(start)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rename", "sync_folder", "any"])
def test_a_kill_at_any_step_leaves_the_old_store_or_the_new_or_one_to_finish(
    built: Built, tmp_path: Path, name: str
) -> None:
    """The exchange is a score of renames: all of them are tried; of the building's calls, some."""
    flip(built.segment, at_text(built.segment, "late-7text"))
    expected = without(built.held, "late-7")
    states = set()
    stride = 1 if LONG or name != "any" else 9
    for number in numbers(1, lambda number: number + stride):
        folder = tmp_path / f"copy-{number}"
        shutil.copytree(built.folder, folder)
        child = run_command(folder, "--json", point=f"{name}:{number}")
        assert child.returncode in (1, -signal.SIGKILL), child.stderr
        if child.returncode == 1:  # it never came to so many
            assert json.loads(child.stdout)["gone"] == ["late-7"]
            break
        try:
            assert held_by(folder) == expected
            states.add("new")
        except engram.CorruptionError as error:
            states.add("half" if "cut short" in str(error) else "old")
        for each in (True, False):  # once to repair it or to finish, once to find it sound
            report = repair(folder)
            assert report.damaged or not each or "new" in states
            if report.damaged:
                assert report.gone == ["late-7"]
        assert not report.damaged
        assert held_by(folder) == expected
        assert len(list(folder.glob("damaged-*"))) == 1
        assert not list(folder.glob("repair.*"))
        with engram.open(folder) as store:
            put(store, "after", 1)
        shutil.rmtree(folder)
    assert states >= ({"old", "half"} if name != "any" else {"old"})


def test_the_command_says_what_it_did(built: Built) -> None:
    pytest.importorskip("typer")
    sound = run_command(built.folder)
    assert sound.returncode == 0
    assert "nothing is damaged" in sound.stdout
    flip(built.segment, at_text(built.segment, "late-7text"))
    done = run_command(built.folder)
    assert done.returncode == 1
    assert "late-7" in done.stdout
    assert "damaged-1" in done.stdout
    assert "Unreadable" in done.stdout
