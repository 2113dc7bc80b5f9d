"""The readers of the comparison: every format read back as written, every bad file refused with its name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from benchmarks.ann.readers import DataError, read_hdf5, read_matrix, read_npy, read_vecs
from numpy.typing import NDArray

ROWS = np.arange(5 * 7).reshape(5, 7)
TYPES = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}


def write_vecs(path: Path, rows: NDArray[np.generic]) -> Path:
    with path.open("wb") as file:
        for row in rows.astype(TYPES[path.suffix]):
            file.write(np.int32(len(row)).tobytes() + row.tobytes())
    return path


@pytest.mark.parametrize("suffix", TYPES)
def test_vecs_come_back_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    path = write_vecs(tmp_path / f"rows{suffix}", ROWS)

    read = read_vecs(path)

    assert read.dtype == np.dtype(TYPES[suffix])
    assert np.array_equal(read, ROWS)


@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("lost", [1, 3])
def test_a_truncated_vecs_file_is_refused_by_name(tmp_path: Path, suffix: str, lost: int) -> None:
    path = write_vecs(tmp_path / f"rows{suffix}", ROWS)
    path.write_bytes(path.read_bytes()[:-lost])

    with pytest.raises(DataError, match=rf"rows\{suffix} is truncated"):
        read_vecs(path)


def test_a_vecs_file_whose_rows_disagree_names_the_row(tmp_path: Path) -> None:
    path = write_vecs(tmp_path / "rows.fvecs", ROWS)
    content = bytearray(path.read_bytes())
    content[2 * 32 : 2 * 32 + 4] = np.int32(9).tobytes()
    path.write_bytes(content)

    with pytest.raises(DataError, match="row 2 says 9 dimensions and row 0 says 7"):
        read_vecs(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\0\0\0\0" * 8, b"PNG\xff" + bytes(60)])
def test_a_foreign_file_is_no_vecs_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.fvecs"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"foreign\.fvecs"):
        read_vecs(path)


def test_npy_is_read_and_what_is_not_a_matrix_of_numbers_is_refused(tmp_path: Path) -> None:
    good, flat, texts = tmp_path / "good.npy", tmp_path / "flat.npy", tmp_path / "texts.npy"
    np.save(good, ROWS.astype(np.float16))
    np.save(flat, np.arange(3.0))
    np.save(texts, np.array([["a"]]))

    assert np.array_equal(read_npy(good), ROWS)
    for bad in (flat, texts):
        with pytest.raises(DataError, match=f"{bad.name} must hold a matrix of numbers"):
            read_npy(bad)


@pytest.mark.parametrize("keep", [0, 5, 100])
def test_a_truncated_npy_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.npy"
    np.save(path, ROWS.astype(np.float64))
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(DataError, match=r"cut\.npy is truncated or not a \.npy file"):
        read_npy(path)


def test_hdf5_of_ann_benchmarks_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "set-7-angular.hdf5"
    with h5py.File(path, "w") as file:
        file["train"], file["test"], file["neighbors"] = ROWS.astype("f4"), ROWS[:2].astype("f4"), ROWS[:2]
        file.attrs["distance"] = "angular"

    base, queries, neighbours, distance = read_hdf5(path)

    assert np.array_equal(base, ROWS)
    assert np.array_equal(queries, ROWS[:2])
    assert neighbours is not None
    assert np.array_equal(neighbours, ROWS[:2])
    assert distance == "angular"


def test_hdf5_without_test_vectors_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "half.hdf5"
    with h5py.File(path, "w") as file:
        file["train"] = ROWS

    with pytest.raises(DataError, match=r"half\.hdf5 .* lacks test \(it holds train\)"):
        read_hdf5(path)


@pytest.mark.parametrize("keep", [0, 30, 600])
def test_a_truncated_hdf5_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.hdf5"
    with h5py.File(path, "w") as file:
        file["train"], file["test"] = ROWS, ROWS
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(DataError, match=r"cut\.hdf5 is truncated or not an HDF5 file"):
        read_hdf5(path)


def test_a_file_that_is_not_there_and_a_format_nobody_knows_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.fvecs cannot be read"):
        read_matrix(tmp_path / "gone.fvecs")
    with pytest.raises(DataError, match=r"vectors come as \.npy"):
        read_matrix(tmp_path / "rows.csv")


def test_hdf5_that_holds_no_matrices_is_refused_by_part(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "flat.hdf5", "w") as file:
        file["train"], file["test"] = np.arange(5.0), ROWS
    with h5py.File(tmp_path / "group.hdf5", "w") as file:
        file.create_group("train")
        file["test"] = ROWS

    with pytest.raises(DataError, match=r"flat.hdf5: train must hold a matrix of numbers, not \(5,\)"):
        read_hdf5(tmp_path / "flat.hdf5")
    with pytest.raises(DataError, match=r"group.hdf5: train must hold a matrix of numbers, not a collection"):
        read_hdf5(tmp_path / "group.hdf5")


def test_hdf5_may_name_its_distance_in_bytes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bytes.hdf5", "w") as file:
        file["train"], file["test"] = ROWS.astype("f4"), ROWS.astype("f4")
        file.attrs["distance"] = np.bytes_(b"angular")

    assert read_hdf5(tmp_path / "bytes.hdf5")[3] == "angular"


def test_a_folder_is_no_file_and_hdf5_no_single_matrix(tmp_path: Path) -> None:
    (tmp_path / "rows.fvecs").mkdir()

    with pytest.raises(DataError, match=r"rows.fvecs is no file"):
        read_matrix(tmp_path / "rows.fvecs")
    with pytest.raises(DataError, match=r"give it as --dataset"):
        read_matrix(tmp_path / "both.hdf5")
