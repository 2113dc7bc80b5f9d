"""`engram import`: files of vectors or memories, read and stored piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from rich.progress import Progress, TaskID

from engram._errors import InvalidInput
from engram.embedders import WordLlama
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
    with output.waiting(f"opening {path}"):
        store = _open(path, source, metric, embedder)
    with store, output.progress() as bars:
        stored = _store_all(store, source, bars)
        _wait_indexed(store, bars)
        return stored, len(store)


def _open(path: Path, source: Source, metric: str | None, embedder: str | None) -> MemoryStore:
    chosen = None
    if embedder is not None:
        chosen = embedder_choice.load(embedder)
    elif source.dim is None:  # texts without vectors
        chosen = WordLlama()
    if chosen is not None and source.dim is None:
        return open_store(path, metric=cast("Metric | None", metric), embedder=chosen)
    return open_store(path, source.dim, metric=cast("Metric | None", metric), embedder=chosen)


def _store_all(store: MemoryStore, source: Source, bars: Progress) -> int:
    task = bars.add_task("storing", total=source.count)
    done = 0
    for piece in source.pieces():
        try:
            _store_piece(store, piece)
        except Exception as error:
            before = done + int(getattr(error, "stored", 0))
            if isinstance(error, InvalidInput):
                raise InvalidInput(
                    f"{source.file}, rows from {piece.begin}: {error} ({before} rows before it are stored)"
                ) from error
            raise
        done += len(piece.ids)
        bars.update(task, completed=done)
    return done


def _store_piece(store: MemoryStore, piece: Piece) -> None:
    if piece.confidences is None:
        store.store_many(piece.ids, piece.vectors, contents=piece.contents, metadata=piece.metadata)
        return
    for row, confidence in enumerate(piece.confidences):  # store_many has no confidence
        store.store(
            piece.ids[row],
            None if piece.vectors is None else piece.vectors[row],
            content=None if piece.contents is None else piece.contents[row],
            metadata=None if piece.metadata is None else piece.metadata[row],
            confidence=confidence,
        )


def _wait_indexed(store: MemoryStore, bars: Progress) -> None:
    waiting = int(_queued(store))
    task: TaskID = bars.add_task("indexing", total=max(waiting, 1))
    while not store.wait_indexed(timeout=0.2):
        bars.update(task, completed=max(0, waiting - int(_queued(store))))
    bars.update(task, completed=max(waiting, 1))


def _queued(store: MemoryStore) -> Any:
    return store.stats().get("queue", {}).get("depth", 0)
