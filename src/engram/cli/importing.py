"""`engram import`: files of vectors or memories, read and stored piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rich.progress import Progress, TaskID

from engram._errors import InvalidInput
from engram.embedders import Embedder, WordLlama
from engram.opening import Metric
from engram.opening import open as open_store
from engram.store import MemoryStore

from . import embedder_choice, output
from .reading import Piece, Source, open_source


def import_file(
    path: Path, file: Path, metric: str | None, id_prefix: str, embedder: str | None
) -> tuple[int, int]:
    """Stores what `file` holds in the store at `path`, creating it if need be.

    Returns
    -------
    tuple of int
        How many memories were stored, and how many the store holds now.
    """
    source = open_source(file, id_prefix)
    chosen = _embedder_for(source, embedder)
    chosen_metric = cast("Metric | None", metric)
    if _is_new(path):  # then let a file of which nothing can be stored leave no empty store behind
        with _trial(source.dim, chosen_metric, chosen) as trial:
            _try_first(trial, source)
    with output.waiting(f"opening {path}"):
        store = open_store(path, source.dim, metric=chosen_metric, embedder=chosen)
    with store, output.progress() as bars:
        task = bars.add_task("storing", total=source.count)
        stored = _store_all(store, source.pieces(), file, lambda done: bars.update(task, completed=done))
        _wait_indexed(store, bars)
        return stored, len(store)


def _embedder_for(source: Source, name: str | None) -> Embedder | None:
    if name is not None:
        return embedder_choice.load(name)
    return WordLlama() if source.dim is None else None  # None: texts without vectors


def _is_new(path: Path) -> bool:
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _try_first(trial: MemoryStore, source: Source) -> None:
    try:
        for piece in itertools.islice(source.pieces(), 1):
            _store_piece(trial, piece, source.file)
    except InvalidInput as error:
        raise InvalidInput(f"{error}; nothing is stored") from error


@contextmanager
def _trial(dim: int | None, metric: Metric | None, embedder: Embedder | None) -> Iterator[MemoryStore]:
    """A store in RAM, which takes and refuses what the one in the folder would."""
    store = open_store(None, dim, metric=metric, embedder=embedder)
    try:
        yield store
    finally:
        store.close(drain=False)


def _store_all(
    store: MemoryStore, pieces: Iterator[Piece], file: Path, progress: Callable[[int], object]
) -> int:
    done = 0
    try:
        for piece in pieces:
            _store_piece(store, piece, file)
            done += len(piece.ids)
            progress(done)
    except InvalidInput as error:
        done += error.stored or 0
        said = f"the first {done} rows are stored" if done else "nothing is stored"
        raise InvalidInput(f"{error}; {said}") from error
    return done


def _store_piece(store: MemoryStore, piece: Piece, file: Path) -> None:
    try:
        if piece.confidences is None:
            store.store_many(piece.ids, piece.vectors, contents=piece.contents, metadata=piece.metadata)
        else:
            _store_one_by_one(store, piece, piece.confidences)
    except InvalidInput as error:
        located = InvalidInput(f"{file}, {_where(store, piece, error)}")
        located.stored = error.stored
        raise located from error


def _store_one_by_one(store: MemoryStore, piece: Piece, confidences: list[Any]) -> None:
    """For what store_many does not take: confidences."""
    for row, confidence in enumerate(confidences):
        try:
            _store_row(store, piece, row, confidence)
        except InvalidInput as error:
            error.stored = row
            raise


def _store_row(store: MemoryStore, piece: Piece, row: int, confidence: Any) -> None:
    store.store(
        piece.ids[row],
        None if piece.vectors is None else piece.vectors[row],
        content=None if piece.contents is None else piece.contents[row],
        metadata=None if piece.metadata is None else piece.metadata[row],
        confidence=confidence,
    )


def _where(store: MemoryStore, piece: Piece, error: InvalidInput) -> str:
    """The first row that is refused by itself, and why; the rows of the piece if each alone is taken."""
    if piece.vectors is not None:
        with _trial(store.dim, cast("Metric", store.metric), None) as trial:
            for row in range(len(piece.ids)):
                try:
                    _store_row(
                        trial, piece, row, 1.0 if piece.confidences is None else piece.confidences[row]
                    )
                except InvalidInput as alone:
                    return f"{piece.unit} {piece.numbers[row]}: {alone}"
    return f"{piece.unit}s {piece.numbers[0]} to {piece.numbers[-1]}: {error}"


def _wait_indexed(store: MemoryStore, bars: Progress) -> None:
    waiting = _queued(store)
    task: TaskID = bars.add_task("indexing", total=max(waiting, 1))
    while not store.wait_indexed(timeout=0.2):
        bars.update(task, completed=max(0, waiting - _queued(store)))
    bars.update(task, completed=max(waiting, 1))


def _queued(store: MemoryStore) -> int:
    return int(store.stats()["queue"]["pending"])
