"""The files that `engram import` reads, as pieces of bounded size."""

from __future__ import annotations

import abc
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from engram._errors import InvalidInput
from engram._regular import other_than_file

_ROWS = 8192  # in a piece


@dataclass(frozen=True)
class Piece:
    """Rows that are stored together; lists have one entry a row."""

    unit: str  # what the rows are in the file: "row" (counted from 0) or "line" (from 1)
    numbers: Sequence[int]  # which ones these are
    ids: list[str]
    vectors: Any = None
    contents: list[str | None] | None = None
    metadata: list[Any] | None = None
    confidences: list[Any] | None = None  # given only where a row has another than 1


class Source(abc.ABC):
    """A file of rows.

    Attributes
    ----------
    dim : the length of its vectors; None if it has texts alone
    count : how many rows it has; None if only reading tells
    """

    file: Path
    dim: int | None
    count: int | None

    @abc.abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """The rows, in order."""


def open_source(file: Path, id_prefix: str) -> Source:
    """What a file's name says it holds."""
    kinds = {".npy": _numpy, ".npz": _zipped, ".fvecs": _fvecs, ".jsonl": Lines}
    if file.suffix not in kinds:
        raise InvalidInput(f"{file} ends in {file.suffix or 'nothing'}; import reads {', '.join(kinds)}")
    if found := other_than_file(file):  # it is read twice, and by its size
        raise InvalidInput(f"{file} is {found}; give a regular file")
    try:
        return kinds[file.suffix](file, id_prefix)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{file} cannot be read: {error}") from error


class Arrays(Source):
    """Vectors in an array, with or without ids and contents."""

    def __init__(
        self,
        file: Path,
        id_prefix: str,
        vectors: NDArray[Any],
        ids: list[str] | None = None,
        contents: list[str | None] | None = None,
    ) -> None:
        if vectors.ndim != 2 or vectors.shape[1] < 1:
            raise InvalidInput(
                f"{file} holds an array of the shape {vectors.shape}; vectors have the shape (n, dim)"
            )
        for name, given in (("ids", ids), ("contents", contents)):
            if given is not None and len(given) != len(vectors):
                raise InvalidInput(f"{file} has {len(given)} {name} for {len(vectors)} vectors")
        self.file = file
        self.dim = int(vectors.shape[1])
        self.count = len(vectors)
        self._prefix, self._vectors, self._ids, self._contents = id_prefix, vectors, ids, contents

    def pieces(self) -> Iterator[Piece]:
        """The rows, `_ROWS` at a time."""
        for begin in range(0, len(self._vectors), _ROWS):
            end = min(begin + _ROWS, len(self._vectors))
            yield Piece(
                "row",
                range(begin, end),
                self._ids[begin:end] if self._ids else [f"{self._prefix}{row}" for row in range(begin, end)],
                np.asarray(self._vectors[begin:end]),
                self._contents[begin:end] if self._contents else None,
            )


def _numpy(file: Path, id_prefix: str) -> Source:
    return Arrays(file, id_prefix, np.load(file, mmap_mode="r", allow_pickle=False))


def _zipped(file: Path, id_prefix: str) -> Source:
    with np.load(file, allow_pickle=False) as arrays:
        unknown = set(arrays.files) - {"vectors", "ids", "contents"}
        if "vectors" not in arrays.files or unknown:
            raise InvalidInput(
                f'{file} holds {sorted(arrays.files)}; give "vectors" and, if you like, "ids" and "contents"'
            )
        texts = {
            name: _texts(file, name, arrays[name]) for name in ("ids", "contents") if name in arrays.files
        }
        return Arrays(file, id_prefix, arrays["vectors"], texts.get("ids"), texts.get("contents"))  # type: ignore[arg-type]


def _texts(file: Path, name: str, array: NDArray[Any]) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise InvalidInput(
            f'{file}: "{name}" has the dtype {array.dtype} and shape {array.shape}; give texts, one a row'
        )
    return [str(text) for text in array]


def _fvecs(file: Path, id_prefix: str) -> Source:
    """Rows of an int32 (the dimension) and as many float32, as in the TEXMEX sets."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(4)
    dim = int(np.frombuffer(head, "<i4")[0]) if len(head) == 4 else 0
    if dim < 1 or size % (4 + 4 * dim):
        raise InvalidInput(
            f"{file} is not a file of fvecs: {size} bytes are no whole number of rows of {dim} floats"
        )
    rows = np.memmap(file, dtype="<i4", mode="r").reshape(-1, 1 + dim)
    if (rows[:, 0] != dim).any():
        raise InvalidInput(f"{file} has rows of different dimensions; a store has one")
    return Arrays(file, id_prefix, rows[:, 1:].view("<f4"))


class Lines(Source):
    """Memories, one JSON object a line."""

    _FIELDS = frozenset({"id", "vector", "content", "metadata", "confidence"})

    def __init__(self, file: Path, id_prefix: str) -> None:
        self.file = file
        self.count = None
        self._prefix = id_prefix
        first = next(self._rows(), None)
        vector = None if first is None else first[1].get("vector")
        self.dim = len(vector) if isinstance(vector, list) else None
        if first is None:
            raise InvalidInput(f"{file} holds no memories")

    def pieces(self) -> Iterator[Piece]:
        """The lines, `_ROWS` at a time."""
        rows: list[tuple[int, dict[str, Any]]] = []
        for row in self._rows():
            rows.append(row)
            if len(rows) == _ROWS:
                yield self._piece(rows)
                rows = []
        if rows:
            yield self._piece(rows)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self.file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(_readable(self.file, lines), start=1):
                if line.strip():
                    yield number, self._parsed(number, line)

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidInput(f"{self.file}, line {number} is not JSON: {error}") from error
        except RecursionError as error:
            raise InvalidInput(
                f"{self.file}, line {number} has more brackets in brackets than fit"
            ) from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{self.file}, line {number} is not a JSON object")
        if unknown := sorted(set(row) - self._FIELDS):
            raise InvalidInput(
                f"{self.file}, line {number} has the field {unknown[0]!r}; "
                f"there are {', '.join(sorted(self._FIELDS))}"
            )
        return row

    def _piece(self, rows: list[tuple[int, dict[str, Any]]]) -> Piece:
        with_vector = [number for number, row in rows if row.get("vector") is not None]
        if with_vector and len(with_vector) < len(rows):
            odd = next(number for number, row in rows if (row.get("vector") is None) != (self.dim is None))
            raise InvalidInput(f"{self.file}, line {odd}: either every line has a vector, or none")
        for number, row in rows:
            self._check_length(number, row)
        confidences = [row.get("confidence", 1.0) for _, row in rows]
        return Piece(
            "line",
            [number for number, _ in rows],
            [_id_of(row.get("id", f"{self._prefix}{number}")) for number, row in rows],
            [row["vector"] for _, row in rows] if with_vector else None,
            [row.get("content") for _, row in rows],
            [row.get("metadata") for _, row in rows],
            None if all(confidence == 1.0 for confidence in confidences) else confidences,
        )

    def _check_length(self, number: int, row: dict[str, Any]) -> None:
        vector = row.get("vector")
        if vector is not None and not isinstance(vector, list):
            raise InvalidInput(
                f"{self.file}, line {number}: the vector is {vector!r}; give a list of numbers"
            )
        if vector is not None and len(vector) != self.dim:
            raise InvalidInput(
                f"{self.file}, line {number}: the vector has {len(vector)} dimensions, the first of the file "
                f"has {self.dim}"
            )


def _id_of(given: Any) -> Any:
    """An integer as a text, as in .npz; what else is no text is for the store to refuse."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def _readable(file: Path, lines: TextIO) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8: {error}") from error
