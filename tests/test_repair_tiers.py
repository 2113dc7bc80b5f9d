"""Repairing stores whose memories live in segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import engram
from engram.repair import RepairReport, repair

COUNT, DIM = 120, 16
HOT, WARM, COLD = 0, 1, 2


def vector_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(DIM).astype(np.float32)


def move(store: engram.MemoryStore, numbers: range, tier: int) -> None:
    """Moves memories by name, as the migrator would."""
    native, catalog = store._parts.native, store._parts.catalog
    store.wait_indexed()
    store.checkpoint()  # with it the catalog is durable
    keys = np.array([native.key(f"m{n}") for n in numbers], dtype=np.uint64)
    native.move(keys, np.full(len(keys), tier, np.uint8), catalog.applied, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with 40 memories in each tier, some replaced and forgotten since."""
    path = tmp_path / "store"
    config = engram.Config(migration_interval=None)
    with engram.open(path, DIM, metric="l2", fsync="never", config=config) as store:
        for n in range(COUNT):
            store.store(f"m{n}", vector_of(n), content=f"text {n}", metadata={"n": n}, confidence=0.5)
        move(store, range(40, 80), WARM)
        move(store, range(80, COUNT), COLD)
        store.store("m41", vector_of(1041), content="new")
        store.forget("m42")
        store.forget("m82")
    return path


def expected() -> dict[str, int]:
    kept = {f"m{n}": n for n in range(COUNT) if n not in (42, 82)}
    return {**kept, "m41": 1041}


def check_holds(path: Path, wanted: dict[str, int]) -> None:
    with engram.open(path, read_only=True) as store:
        assert set(store) == set(wanted)
        for id, seed in wanted.items():
            memory = store.get(id)
            assert memory is not None
            assert memory.vector.tobytes() == vector_of(seed).tobytes()
            assert memory.content == ("new" if seed > 1000 else f"text {seed}")


def segment(path: Path, ending: str) -> Path:
    (file,) = path.glob(f"seg-*.{ending}")
    return file


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 0x10
    file.write_bytes(data)


def test_a_sound_store_with_segments_is_left_as_it_is(folder: Path) -> None:
    before = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    assert not repair(folder).damaged
    assert {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()} == before
    check_holds(folder, expected())


@pytest.mark.parametrize("ending", ["warm", "cold"])
def test_a_lost_segment_costs_its_memories_alone(folder: Path, ending: str) -> None:
    segment(folder, ending).unlink()
    with pytest.raises(engram.CorruptionError):
        engram.open(folder, read_only=True)
    report = repair(folder)
    # What is still in the log comes back from there.
    lost = set(report.gone)
    whole = range(40, 80) if ending == "warm" else range(80, COUNT)
    assert lost <= {f"m{n}" for n in whole}
    check_holds(folder, {id: seed for id, seed in expected().items() if id not in lost})


@pytest.mark.parametrize("ending", ["warm", "cold"])
def test_a_flip_in_a_segment_costs_no_memory_outside_its_page(folder: Path, ending: str) -> None:
    size = segment(folder, ending).stat().st_size
    for part in range(1, 8):
        file = segment(folder, ending)
        flip(file, size * part // 8)
        try:
            report = repair(folder)
        except engram.CorruptionError:
            pytest.fail("repair did not cope")
        if report.damaged:
            break
        flip(file, size * part // 8)
    lost = set(report.gone)
    assert len(lost) <= 40
    check_holds(folder, {id: seed for id, seed in expected().items() if id not in lost})


def test_without_manifest_segments_are_found_and_forgotten_memories_stay_so(folder: Path) -> None:
    (folder / "manifest").unlink()
    report = repair(folder)
    assert report.damaged
    check_holds(folder, expected())


def test_without_manifest_and_log_memories_are_in_their_segments(folder: Path) -> None:
    with engram.open(folder, config=engram.Config(migration_interval=None)) as store:
        store.checkpoint()  # those in segments are in the graph no more
    (folder / "manifest").unlink()
    for file in (folder / "wal").iterdir():
        file.unlink()
    report = repair(folder)
    assert report.gone == []
    check_holds(folder, expected())


def test_without_the_file_of_dead_rows_the_catalog_tells_what_is_current(folder: Path) -> None:
    (dead,) = folder.glob("tiers-*.dead")
    dead.unlink()
    repair(folder)
    check_holds(folder, expected())


def test_a_lost_catalog_is_noticed_though_the_log_is_whole(folder: Path) -> None:
    for each in folder.glob("catalog.sqlite*"):
        each.unlink()
    with pytest.raises(engram.CorruptionError, match="catalog"):
        engram.open(folder, read_only=True)
    assert repair(folder).damaged
    check_holds(folder, expected())  # the log has the texts still


def forget_with_an_old_catalog(path: Path, openings: int) -> dict[str, int]:
    """Forgets and replaces memories, takes a checkpoint, and puts the catalog back to what it was before.

    So SQLite reads one whose -wal is damaged half way: without a word, up to there.

    Returns
    -------
    dict
        What the store holds.
    """
    before = (path / "catalog.sqlite").read_bytes()
    config = engram.Config(migration_interval=None, checkpoint_bytes=None)
    for opening in range(openings):  # each but the last begins a segment of the log that a checkpoint drops
        with engram.open(path, fsync="never", config=config) as store:
            if opening == 0:
                for n in (5, 50, 90):
                    store.forget(f"m{n}")
                store.store("m51", vector_of(1051), content="new")
            store.wait_indexed()
            store.checkpoint()
    for file in path.glob("catalog.sqlite*"):
        file.unlink()
    (path / "catalog.sqlite").write_bytes(before)
    return {**{id: n for id, n in expected().items() if id not in ("m5", "m50", "m90")}, "m51": 1051}


def check_reported(path: Path, report: RepairReport, wanted: dict[str, int]) -> None:
    """What is not as it was must be in the report."""
    with engram.open(path, read_only=True) as store:
        held = {id: memory.vector.tobytes() for id in store if (memory := store.get(id)) is not None}
    missing = set(wanted) - set(held)
    assert missing <= set(report.gone) or report.unreadable, f"{sorted(missing)} are gone without a word"
    assert not set(report.gone) & set(held)
    wrong = {id for id in held if id not in wanted or held[id] != vector_of(wanted[id]).tobytes()}
    assert not wrong or report.unreadable, f"{sorted(wrong)} came back without a word"


@pytest.mark.parametrize("openings", [1, 2, 3])
def test_a_catalog_behind_the_checkpoint_brings_back_nothing_forgotten(folder: Path, openings: int) -> None:
    wanted = forget_with_an_old_catalog(folder, openings)
    with pytest.raises(engram.CorruptionError, match="catalog"):
        engram.open(folder, read_only=True)
    report = repair(folder)
    assert (report.kept, report.gone, report.outdated) == (len(wanted), [], [])
    assert report.end_unknown  # the catalog's end is lost, and with it how far the log went at least
    check_reported(folder, report, wanted)
    if not report.texts_lost:
        check_holds(folder, wanted)


@pytest.mark.parametrize("lost", ["manifest", "tiers-*.dead", "hot-*.rows", "hot-*.graph", "seg-*.warm"])
@pytest.mark.parametrize("catalog", ["old", "missing"])
@pytest.mark.parametrize("openings", [1, 2, 3])
def test_whatever_else_is_lost_nothing_forgotten_comes_back_without_a_word(
    folder: Path, openings: int, catalog: str, lost: str
) -> None:
    wanted = forget_with_an_old_catalog(folder, openings)
    if catalog == "missing":
        (folder / "catalog.sqlite").unlink()
    for file in folder.glob(lost):
        file.unlink()
    report = repair(folder)
    assert not report.lossless
    check_reported(folder, report, wanted)
