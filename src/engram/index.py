"""The graph alone: nearest-neighbour search in RAM, without a log."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._checks import check_int, check_word
from ._errors import InvalidInput
from ._vectors import as_float32

Metric: TypeAlias = Literal["l2", "ip", "cosine"]
Dtype: TypeAlias = Literal["f32", "bf16", "f16"]
StrOrBytesPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

_MOST_DIMENSIONS = 65_536
_MOST_HITS = 2**30


class Index:
    """Vectors under integer labels, and the labels nearest to a query.

    Every method may be called from any thread, and none holds the GIL while it works.
    Searches wait for nobody. One that runs just while a label gets another vector finds it with the old one
    or with the new one, and seldom not at all: a `MemoryStore` is exact there.

    Parameters
    ----------
    dim : length of the vectors, 1 to 65,536
    metric : "l2" (squared Euclidean distance), "ip" (1 - <x, y>) or "cosine" (1 - cos); smaller is nearer
    M : links a node, 2 to 512; more find more and take more memory and time
    ef_construction : candidates among which the links of a new vector are chosen, 1 to 100,000; of more than
        100 the nearest two thirds, and at least 100, are walked on from
    dtype : how vectors are kept: "f32", or in half the bytes "bf16" (8 bits of precision) or "f16" (11 bits,
        values up to 65,504); distances are those of what is kept. Beside each, whatever the dtype, come a
        code of one byte a dimension, links, and from 768 dimensions on a sketch of half a byte a dimension
    seed : one seed, one thread and the same calls give the same index

    Raises
    ------
    InvalidInput
        A parameter is out of range.

    Examples
    --------
    >>> import numpy as np, engram
    >>> index = engram.Index(dim=2)
    >>> index.add([7, 8], [[0.0, 1.0], [1.0, 0.0]])
    >>> labels, distances = index.search([0.0, 0.9], k=1)
    >>> labels.tolist()
    [[7]]
    """

    __slots__ = ("_native",)

    def __init__(
        self,
        dim: int,
        metric: Metric = "l2",
        M: int = 16,  # the name everybody knows it by
        ef_construction: int = 200,
        dtype: Dtype = "f32",
        *,
        seed: int = 0,
    ) -> None:
        self._native = _native.Index(
            dim=check_int("dim", dim, 1, _MOST_DIMENSIONS),
            metric=check_word("metric", metric, ("l2", "ip", "cosine")),
            m=check_int("M", M, 2, 512),
            ef_construction=check_int("ef_construction", ef_construction, 1, 100_000),
            dtype=check_word("dtype", dtype, ("f32", "bf16", "f16")),
            seed=check_int("seed", seed, 0, 2**64 - 1),
        )

    def add(self, labels: ArrayLike, vectors: ArrayLike, threads: int = 0) -> None:
        """Adds vectors; a label that is there already gets the new vector, of repeated labels the last one.

        Parameters
        ----------
        labels : 64-bit integers, shape (n,), or one; any but -1, which stands for "nothing found"
        vectors : shape (n, dim), or (dim,) with one label
        threads : how many add at once (0: one a processor); with 1 the index is the same every time

        Raises
        ------
        DimensionMismatch, InvalidVector, InvalidInput
            Nothing was added. An interrupt (Ctrl-C) leaves the rows added so far.
        """
        self._native.add(
            _labels(labels), self._rows(vectors, "the vector"), check_int("threads", threads, 0, 1024)
        )

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        ef: int | None = None,
        filter: ArrayLike | None = None,
        threads: int = 0,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k labels nearest to each query, nearest first.

        Parameters
        ----------
        queries : shape (n, dim), or (dim,) for one
        k : how many, at least 1
        ef : breadth of the walk: how many candidates, the nearest, are expanded; larger finds more and takes
            longer (default: max(64, 2k)). Below k the walk goes on until it has met k, so k come back, of
            which fewer are the nearest; with a filter it is raised to k. Where it or k is beyond 4,096, all
            vectors are compared
        filter : which labels may be found: an array of bool, asked at the label's position (a label outside
            it is not found), or an array of labels; zeros and ones that are not bool are labels
        threads : how many search at once when there are several queries (0: one a processor)

        Returns
        -------
        labels : int64, shape (n, k) and (1, k) for one query; -1 where fewer than k are there
        distances : float32 of the same shape, of the vectors as they are kept; infinity where no label is

        Raises
        ------
        DimensionMismatch, InvalidVector, InvalidInput
            A query, or another argument, cannot be used.
        """
        if type(k) is not int or not 0 < k <= _MOST_HITS:
            k = check_int("k", k, 1, _MOST_HITS)
        if ef is None:
            ef = 64 if k < 32 else 2 * k
        elif type(ef) is not int or not 0 < ef <= _MOST_HITS:
            ef = check_int("ef", ef, 1, _MOST_HITS)
        if type(threads) is not int or not 0 <= threads <= 1024:
            threads = check_int("threads", threads, 0, 1024)
        allowed = None if filter is None else _allowed(filter)
        return self._native.search(self._rows(queries, "the query"), k, ef, allowed, threads)

    def remove(self, labels: ArrayLike) -> int:
        """Removes vectors, passing over labels that are not there; returns how many were.

        Raises
        ------
        InvalidInput
            The labels are no integers of 64 bits.
        """
        return self._native.remove(_labels(labels))

    def optimize(self) -> None:
        """Lays the vectors out anew, so that a search finds near each other what it reads in turn.

        Worth it once many vectors were added, or removed: what removed ones still hold is given back. Labels,
        results and recall stay. Waits for adds and removes that are under way, and holds off others; searches
        go on. While it works the index takes its memory twice.
        """
        self._native.optimize()

    def save(self, path: StrOrBytesPath) -> None:
        """Writes the index to a file, which after a crash is the old one or the new one whole.

        Waits for adds and removes that are under way, and holds off others; searches go on. Written beside
        and renamed, so what was at the path is replaced; of a link, what it leads to.

        Raises
        ------
        InvalidInput
            The path names no file, something that is none, or a folder that is not there.
        OutOfSpace
            The disk is full; what was there before is unchanged.
        EngramError
            The system refuses otherwise.
        """
        self._native.save(_to_write(_check_path(path)))

    @classmethod
    def load(cls, path: StrOrBytesPath) -> Index:
        """Reads an index that `save` wrote; it can be added to and removed from as before.

        Raises
        ------
        InvalidInput
            The path names no file, or none that is there.
        CorruptionError
            The file is damaged, or no index file.
        UnsupportedFormat
            A newer version of Engram wrote it.
        EngramError
            The system refuses otherwise.
        """
        index = cls.__new__(cls)
        index._native = _native.Index.load(_to_read(_check_path(path)))
        return index

    def _rows(self, value: ArrayLike, what: str) -> NDArray[np.float32]:
        array = as_float32(value, what)
        return array.reshape(0, self.dim) if array.shape == (0,) else array  # [] is no rows

    def __len__(self) -> int:
        """How many vectors there are."""
        return len(self._native)

    def __repr__(self) -> str:
        return (
            f"<engram.Index of {len(self)} vectors: dim={self.dim}, metric={self.metric!r}, M={self.M}, "
            f"ef_construction={self.ef_construction}, dtype={self.dtype!r}>"
        )

    @property
    def memory_bytes(self) -> int:
        """The memory that vectors, codes, links and labels take."""
        return self._native.memory_bytes

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._native.dim

    @property
    def metric(self) -> str:
        """How distance is measured: "l2", "ip" or "cosine"."""
        return self._native.metric

    @property
    def M(self) -> int:  # noqa: N802
        """Links a node."""
        return self._native.m

    @property
    def ef_construction(self) -> int:
        """Breadth of the walk that links a new vector."""
        return self._native.ef_construction

    @property
    def dtype(self) -> str:
        """How vectors are kept: "f32", "bf16" or "f16"."""
        return self._native.dtype

    @property
    def seed(self) -> int:
        """What the levels of nodes are drawn from."""
        return self._native.seed


def _check_path(path: StrOrBytesPath) -> bytes:
    """`path` as the system takes it."""
    try:
        name = os.fsencode(path)
    except TypeError as error:
        raise InvalidInput(
            f"the path {path!r} is of type {type(path).__name__}; give a str, bytes or a Path"
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the path {path!r} cannot be the name of a file ({error.reason})") from error
    if not name or b"\0" in name:
        raise InvalidInput(f"the path {path!r} names no file; give a str, bytes or a Path")
    return name


def _to_read(name: bytes) -> bytes:
    """`name`, if it may be a file; what else the system has against it, it says when it opens it."""
    path = Path(os.fsdecode(name))
    with contextlib.suppress(OSError):
        if path.is_dir():
            raise InvalidInput(
                f"{path} is a folder; give the file that save() wrote (engram.open opens a store)"
            )
        if not path.exists():
            raise InvalidInput(f"there is no file {path}; give the one that save() wrote")
    return name


def _to_write(name: bytes) -> bytes:
    """The file that `name` names or leads to, if it may be one."""
    path = Path(os.fsdecode(name))
    with contextlib.suppress(OSError):
        if path.is_symlink():
            path = path.resolve()
        if not path.parent.is_dir():
            raise InvalidInput(f"there is no folder {path.parent} to save in; make it first")
        if path.exists() and not path.is_file():
            raise InvalidInput(f"{path} is no regular file; give the name of one, or a new one")
    return os.fsencode(path)


def _labels(value: ArrayLike, what: str = "labels") -> NDArray[np.int64]:
    """`value` as int64, C-contiguous, of one axis."""
    _refuse_masked_labels(value, what)
    try:
        array: NDArray[Any] = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"{what} cannot be read as an array of integers ({error})") from error
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind == "O":
        first = array.flat[0]
        raise InvalidInput(
            f"{what} hold {first!r}, of type {type(first).__name__}; give an array or a list of integers, "
            f"at most {np.iinfo(np.int64).max}"
        )
    if array.dtype.kind not in "iu":
        raise InvalidInput(f"{what} have the dtype {array.dtype}; give 64-bit integers")
    if array.ndim > 1:
        raise InvalidInput(f"{what} have the shape {array.shape}; give one axis")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and (array > np.iinfo(np.int64).max).any():
        raise InvalidInput(f"{what} hold {array.max()}; the largest label is {np.iinfo(np.int64).max}")
    return np.ascontiguousarray(array, dtype=np.int64).reshape(-1)


def _refuse_masked_labels(value: object, what: str) -> None:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidInput(
            f"{what}: {np.ma.getmaskarray(value).sum()} values are masked; fill or compress it first"
        )


def _allowed(value: ArrayLike) -> NDArray[np.bool_] | NDArray[np.int64]:
    _refuse_masked_labels(value, "filter")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"filter cannot be read as an array of booleans or labels ({error})") from error
    if array.dtype != np.bool_:
        return _labels(array, "the labels of filter")
    if array.ndim != 1:
        raise InvalidInput(f"filter has the shape {array.shape}; give one axis, a boolean a label")
    return np.ascontiguousarray(array)
