"""`open`: checks what it is given, and puts a store together."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Literal, TypeAlias

from . import _forks
from ._checks import check_int, check_word
from ._errors import InvalidInput, StoreLocked
from ._events import tell
from ._parts import Fsync, check_fsync, open_parts
from .config import Config
from .embedders import Embedder, check_embedder, dimension_of
from .store import MemoryStore

Metric: TypeAlias = Literal["cosine", "l2", "ip"]
StrPath: TypeAlias = "str | os.PathLike[str]"

MAX_DIM = 65_536


def open(
    path: StrPath | None,
    dim: int | None = None,
    *,
    metric: Metric | None = None,
    fsync: Fsync = "always",
    config: Config | None = None,
    embedder: Embedder | None = None,
    read_only: bool = False,
) -> MemoryStore:
    """Opens the store in a folder, or creates it there.

    Parameters
    ----------
    path : the folder; None is a store in RAM, gone when it is closed
    dim : the length of the vectors, fixed at creation; may be left out when the store exists or the embedder
        tells
    metric : "cosine" (the default at creation), "l2" or "ip"; fixed at creation
    fsync : when `store` returns: "always" once it is on stable storage, "interval" once the system has it,
        which is synced every `Config.fsync_interval_ms`, "never" once the system has it
    config : everything else
    embedder : turns texts into vectors: a callable from a list of n str to an (n, dim) array, or an object
        with such a method ``embed`` (and, best, an attribute ``dim``)
    read_only : for looking only: nothing in the folder is written; several may do so at once

    Raises
    ------
    StoreLocked
        Another process writes to it.
    CorruptionError, UnsupportedFormat
        It cannot be read.
    OutOfSpace
        The disk is full; what is there stays as it is.
    InvalidInput (DimensionMismatch)
        The folder holds something else, or a store of another dimension or metric.
    """
    folder = _check_path(path, read_only)
    config = _check_config(config)
    check_embedder(embedder)
    if metric is not None:
        check_word("metric", metric, ("cosine", "l2", "ip"))
    if dim is not None:
        dim = check_int("dim", dim, 1, MAX_DIM)
    elif embedder is not None:
        dim = check_int("the embedder's dim", dimension_of(embedder), 1, MAX_DIM)
    begin = time.monotonic()
    fsync = check_fsync(fsync) or "always"
    try:
        parts = open_parts(folder, dim, metric, fsync=fsync, config=config, read_only=bool(read_only))
    except StoreLocked as error:
        _refuse_if_open_here(folder, error)
        raise
    try:
        store = MemoryStore(parts, folder, config, embedder)
    except BaseException:  # such as Ctrl-C: no thread may be left at work behind a store that nobody has
        parts.shut()
        raise
    seconds = time.monotonic() - begin
    tell(logging.INFO, "store.opened", f"{store} was opened", seconds=seconds, memories=len(store))
    return store


def _refuse_if_open_here(folder: Path | None, error: StoreLocked) -> None:
    """Says so when it is this process that has the store open."""
    for store in _forks.watched():
        if isinstance(store, MemoryStore) and not store.closed and _is_same(store.path, folder):
            how = "reading" if store.read_only else "writing"
            raise StoreLocked(
                f"{folder} is open for {how} by process {os.getpid()}, this very one: use the store that is "
                "open, or close it first"
            ) from error


def _is_same(path: Path | None, folder: Path | None) -> bool:
    try:
        return path is not None and folder is not None and path.samefile(folder)
    except OSError:  # one of them is gone
        return False


def _check_path(path: StrPath | None, read_only: bool) -> Path | None:
    if path is None:
        if read_only:
            raise InvalidInput(
                "a store in RAM (path=None) cannot be opened read-only: there is nothing to read"
            )
        return None
    return check_folder(path)


def check_folder(path: StrPath) -> Path:
    """The folder that `path` names, absolute."""
    try:
        text = os.fspath(path)
    except TypeError as error:
        raise InvalidInput(
            f"the path {path!r} is of type {type(path).__name__}; give a str or a Path"
        ) from error
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInput(f"the path {path!r} names no folder; give a str or a Path")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the path {path!r} cannot be the name of a folder ({error.reason})") from error
    folder = Path(text).absolute()
    with contextlib.suppress(OSError):  # why it cannot be looked at, whoever opens it will tell
        if folder.is_file():
            raise InvalidInput(f"{folder} is a file, and a store is a folder: give the path of another")
    return folder


def _check_config(config: object) -> Config:
    if config is None:
        return Config()
    if not isinstance(config, Config):
        raise InvalidInput(f"config is of type {type(config).__name__}; give an engram.Config")
    return config
