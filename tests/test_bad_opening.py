"""What cannot be opened is refused by name, and stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engram

DIM = 4
GOOD = [1.0, 2.0, 3.0, 4.0]


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    for path in (file, file / "below"):
        with pytest.raises(engram.EngramError, match="file"):
            engram.open(path, DIM)
    with pytest.raises(engram.InvalidInput, match="a store is a folder"):
        engram.open(file, DIM)
    with pytest.raises(engram.EngramError, match="too long"):
        engram.open(tmp_path / ("x" * 300), DIM)
    assert file.read_text() == "text"


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = contents_of(tmp_path)

    for read_only in (False, True):
        with pytest.raises(engram.InvalidInput, match="not an Engram store"):
            engram.open(tmp_path, DIM, read_only=read_only)

    assert contents_of(tmp_path) == before


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    with engram.open(tmp_path, DIM) as store:
        store.store("a", GOOD)
    with engram.open(str(tmp_path)) as store:
        assert list(store) == ["a"]


def test_a_new_store_needs_a_dimension(tmp_path: Path) -> None:
    for path in (tmp_path / "new", None):
        with pytest.raises(
            engram.InvalidInput, match=f"no store in {path}.*dim=" if path else "^a new store.*dim="
        ):
            engram.open(path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("dim", [0, -1, 65_537, 1.0, "4", True, 2**40], ids=repr)
def test_a_bad_dimension_is_refused(tmp_path: Path, dim: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="dim"):
        engram.open(tmp_path / "new", dim)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("path", [7, b"bytes", "", "a\0b", 1.5], ids=repr)
def test_a_bad_path_is_refused(path: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="path"):
        engram.open(path, DIM)


def test_other_bad_arguments_of_open_are_refused(tmp_path: Path) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: engram.open(tmp_path / "new", DIM, metric="euclid"), "metric"),  # type: ignore[arg-type]
        (lambda: engram.open(tmp_path / "new", DIM, config={"M": 8}), "config"),  # type: ignore[arg-type]
        (lambda: engram.open(tmp_path / "new", DIM, embedder="e5"), "embedder"),  # type: ignore[arg-type]
        (lambda: engram.open(None, DIM, read_only=True), "read-only"),
    ]
    for call, said in calls:
        with pytest.raises(engram.InvalidInput, match=said):
            call()
    assert not (tmp_path / "new").exists()


def test_a_store_of_another_dimension_or_metric_is_refused(folder: Path) -> None:
    engram.open(folder, DIM, metric="l2").close()

    for read_only in (False, True):
        with pytest.raises(engram.DimensionMismatch, match=r"4 dimensions, not 5"):
            engram.open(folder, 5, read_only=read_only)
        with pytest.raises(engram.InvalidInput, match='"l2", not "ip"'):
            engram.open(folder, DIM, metric="ip", read_only=read_only)
    with engram.open(folder, DIM, metric="l2") as store:
        assert (store.dim, store.metric) == (DIM, "l2")


@pytest.mark.parametrize("file", ["manifest", "catalog.sqlite"])
def test_a_store_of_a_newer_version_is_refused(folder: Path, file: str) -> None:
    with engram.open(folder, DIM) as store:
        store.store("a", GOOD)
    path = folder / file
    written = bytearray(path.read_bytes())
    if file == "manifest":
        written[8:12] = (99).to_bytes(4, "little")
        written[48:52] = engram._native.crc32c(bytes(written[:48])).to_bytes(4, "little")
    else:  # SQLite's user_version holds it twice
        written[60:64] = (99 * 0x10001).to_bytes(4, "big")
    path.write_bytes(written)

    for read_only in (False, True):
        with pytest.raises(engram.UnsupportedFormat, match=r"99.*upgrade"):
            engram.open(folder, read_only=read_only)
    assert path.read_bytes() == bytes(written)


@pytest.mark.parametrize(("file", "at"), [("manifest", 8), ("catalog.sqlite", 63)])
def test_a_flipped_bit_in_a_version_is_damage_and_no_newer_version(folder: Path, file: str, at: int) -> None:
    with engram.open(folder, DIM) as store:
        store.store("a", GOOD)
    written = bytearray((folder / file).read_bytes())
    for bit in range(8):
        flipped = bytearray(written)
        flipped[at] ^= 1 << bit
        (folder / file).write_bytes(flipped)
        with pytest.raises(engram.CorruptionError, match="engram repair"):
            engram.open(folder, read_only=True)


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(engram.EngramError, match="proc"):
        engram.open("/proc/engram/memories", DIM)
