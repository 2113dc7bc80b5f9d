"""Readers of the formats vectors come in: .fvecs, .ivecs, .bvecs, .npy and ann-benchmarks' HDF5.

Each checks what it reads: a truncated or foreign file is a ``DataError`` that names it and what is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Elements of the *vecs formats. Each row begins with its dimension as int32.
_VECS: dict[str, np.dtype[Any]] = {
    ".fvecs": np.dtype("<f4"),
    ".ivecs": np.dtype("<i4"),
    ".bvecs": np.dtype("u1"),
}
MATRICES = frozenset({".npy", *_VECS})  # endings of what `read_matrix` takes
_MOST_DIMENSIONS = 1_000_000


class DataError(ValueError):
    """A data file that cannot be used: the message names it and says what is wrong and what to do."""


def read_vecs(path: Path) -> NDArray[Any]:
    """The rows of a .fvecs, .ivecs or .bvecs file, shape (n, dim), of the file's own element type."""
    element = _VECS.get(path.suffix)
    if element is None:
        raise DataError(f"{path} does not end in .fvecs, .ivecs or .bvecs")
    size = _size(path)
    if size < 4:
        raise DataError(f"{path} holds {size} bytes: too few for one {path.suffix} row; fetch it again")
    dim = int(np.fromfile(path, "<i4", 1)[0])
    if not 1 <= dim <= _MOST_DIMENSIONS:
        raise DataError(f"{path} is not a {path.suffix} file: its first row would have {dim} dimensions")
    row = 4 + dim * element.itemsize
    if size % row:
        raise DataError(
            f"{path} is truncated or not a {path.suffix} file: {size} bytes are not a whole number of rows "
            f"of {dim} dimensions ({row} bytes each); fetch it again"
        )
    rows = np.memmap(path, np.dtype([("dim", "<i4"), ("values", element, (dim,))]), "r")
    wrong = np.flatnonzero(rows["dim"] != dim)
    if wrong.size:
        at = int(wrong[0])
        raise DataError(
            f"{path} is damaged or not a {path.suffix} file: row {at} says {int(rows['dim'][at])} dimensions "
            f"and row 0 says {dim}"
        )
    return np.ascontiguousarray(rows["values"])


def read_npy(path: Path) -> NDArray[Any]:
    """A matrix of numbers from a .npy file."""
    _size(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is truncated or not a .npy file: {error}") from error
    return _matrix(array, str(path))


def _matrix(found: Any, name: str) -> NDArray[Any]:
    if not hasattr(found, "dtype") or len(found.shape) != 2 or found.dtype.kind not in "fiu":
        form = f"{found.shape} of {found.dtype}" if hasattr(found, "dtype") else "a collection"
        raise DataError(f"{name} must hold a matrix of numbers, not {form}")
    matrix: NDArray[Any] = found if isinstance(found, np.ndarray) else found[:]
    return matrix


def read_hdf5(path: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, str | None]:
    """(base, queries, neighbours or None, distance or None) of a file in ann-benchmarks' layout."""
    import h5py

    _size(path)
    try:
        with h5py.File(path, "r") as file:
            missing = {"train", "test"} - set(file.keys())
            if missing:
                raise DataError(
                    f"{path} is not in ann-benchmarks' layout: it lacks {' and '.join(sorted(missing))} "
                    f"(it holds {', '.join(sorted(file.keys())) or 'nothing'})"
                )
            base, queries = (_matrix(file[part], f"{path}: {part}") for part in ("train", "test"))
            truth = _matrix(file["neighbors"], f"{path}: neighbors") if "neighbors" in file else None
            distance = file.attrs.get("distance")
            if distance is not None:
                distance = distance.decode() if isinstance(distance, bytes) else str(distance)
            return base, queries, truth, distance
    except OSError as error:
        raise DataError(f"{path} is truncated or not an HDF5 file: {error}") from error


def read_matrix(path: Path) -> NDArray[Any]:
    """A matrix from a file of any format that holds one."""
    if path.suffix == ".npy":
        return read_npy(path)
    if path.suffix in _VECS:
        return read_vecs(path)
    if path.suffix in (".hdf5", ".h5"):
        raise DataError(f"{path} holds base and queries in one: give it as --dataset {path}")
    raise DataError(f"{path}: vectors come as .npy, .fvecs, .ivecs or .bvecs (or in a .hdf5 with --dataset)")


def finite(matrix: NDArray[Any], where: Path | str) -> NDArray[np.float32]:
    """The matrix as float32, every number of it finite; ``where`` is what an error names."""
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused
        vectors = np.ascontiguousarray(matrix, dtype=np.float32)
    good = np.isfinite(vectors).all(axis=1)
    if good.all():
        return vectors
    bad = np.flatnonzero(~good)
    row = int(bad[0])
    column = int(np.flatnonzero(~np.isfinite(vectors[row]))[0])
    value = matrix[row, column]
    others = len(bad) - 1
    more = f", and {others} more row{' is' if others == 1 else 's are'} like it" if others else ""
    remedy = (
        "float32 ends at 3.4e+38: scale the vectors"
        if np.isfinite(value)
        else "leave such rows out (numpy.isfinite finds them), and a ground truth that counts them"
    )
    raise DataError(f"{where}: row {row} holds {value:g} in column {column}{more}; {remedy}")


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise DataError(f"{path} is no file")
    return size
