"""A file that is flipped, cut or missing: what opens is what was stored up to some call, or it is refused.

Of log, checkpoint and manifest every bit and every length are tried natively (store_damage_test.cpp); here
are the catalog, which is SQLite's, and what the parts of a store know of each other.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import engram

DIM = 4
EARLY, LATE = 12, 6  # memories in the checkpoint, and after it
LONG = os.environ.get("ENGRAM_LONG_TESTS") == "1"
SEED = int(os.environ.get("ENGRAM_DAMAGE_SEED", str(random.SystemRandom().randrange(2**32))))


def vector(row: int) -> list[float]:
    return [row, 0.5, -row, 1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with a checkpoint and a log behind it; memory `n` was stored by call `n`."""
    folder = tmp_path_factory.mktemp("damage") / "store"
    config = engram.Config(checkpoint_bytes=None)
    with engram.open(folder, DIM, metric="l2", config=config) as store:
        for row in range(EARLY):
            store.store(f"id {row}", vector(row), content=f"the text of {row}", metadata={"row": row})
        store.checkpoint()
        for row in range(EARLY, EARLY + LATE):
            store.store(f"id {row}", vector(row), content=f"the text of {row}", metadata={"row": row})
        store.wait_indexed()
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def held(folder: Path, *, read_only: bool = True) -> int | None:
    """How many of the calls the store holds, when it holds exactly those; None when it is refused."""
    try:
        with engram.open(folder, read_only=read_only) as store:
            count = len(store)
            assert set(store) == {f"id {row}" for row in range(count)}
            for row in range(count):
                found = store.get(f"id {row}")
                assert found is not None
                assert found.vector.tolist() == vector(row)
                assert (found.content, found.metadata) == (f"the text of {row}", {"row": row})
            hits = store.recall(vector(3), k=100)
            assert {hit.content for hit in hits} == {f"the text of {row}" for row in range(count)}
            store.verify()
            return count
    except engram.CorruptionError as error:
        assert error.file, error
        return None


def bits(size: int) -> Iterator[tuple[int, int]]:
    """All of a file's bits, or (in the short run) some."""
    if LONG:
        return ((at, bit) for at in range(size) for bit in range(8))
    drawn = random.Random(SEED)
    return ((drawn.randrange(size), drawn.randrange(8)) for _ in range(300))


def test_a_flipped_bit_of_the_catalog_changes_no_text(copy: Path) -> None:
    print(f"ENGRAM_DAMAGE_SEED={SEED}")
    catalog = copy / "catalog.sqlite"
    sound = catalog.read_bytes()
    outcomes = {EARLY + LATE: 0, None: 0}
    for turn, (at, bit) in enumerate(bits(len(sound))):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << bit
        catalog.write_bytes(damaged)
        if turn % 50 == 0:  # opened for writing, it may mend what it can: on a copy
            again = Path(shutil.copytree(copy, copy.parent / "again"))
            assert held(again, read_only=False) in outcomes, (at, bit)
            shutil.rmtree(again)
        outcome = held(copy)
        assert outcome in outcomes, f"byte {at}, bit {bit}: {outcome} memories"
        outcomes[outcome] += 1
        for left in copy.glob("catalog.sqlite-*"):
            left.unlink()
    print(outcomes)
    assert all(outcomes.values())


def test_a_catalog_cut_short_anywhere_is_refused(copy: Path) -> None:
    catalog = copy / "catalog.sqlite"
    sound = catalog.read_bytes()
    for size in range(0, len(sound), 1 if LONG else 487):
        catalog.write_bytes(sound[:size])
        assert held(copy) is None, f"cut to {size} bytes"
        for left in copy.glob("catalog.sqlite-*"):
            left.unlink()


@pytest.mark.parametrize("read_only", [True, False])
def test_each_file_missing_is_noticed(copy: Path, read_only: bool) -> None:
    told = {"lock", "activation", "activity.json"}  # no memory depends on these
    files = [each for each in copy.rglob("*") if each.is_file() and each.name not in told]
    kinds = {each.suffix or each.name for each in files}
    assert kinds >= {"manifest", ".graph", ".rows", ".wal", ".sqlite"}
    for file in files:
        kept = file.read_bytes()
        file.unlink()
        assert held(copy, read_only=read_only) is None, f"{file.name} is not missed"
        file.write_bytes(kept)
    shutil.rmtree(copy / "wal")
    assert held(copy, read_only=read_only) is None, "the log is not missed"
