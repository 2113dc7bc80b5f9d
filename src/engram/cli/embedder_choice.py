"""Which embedder a command uses."""

from __future__ import annotations

import importlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from engram._errors import InvalidInput
from engram._regular import other_than_file
from engram._vectors import Vector
from engram.embedders import Embedder, WordLlama, call_embedder, check_embedder
from engram.embedders import embed as embed_texts
from engram.store import MemoryStore


def choose(name: str | None, store: MemoryStore) -> Embedder:
    """The embedder of that name; WordLlama when none is named and it fits the store."""
    if name is not None:
        return load(name)
    if store.dim != WordLlama.dim:
        raise InvalidInput(
            f"the store has {store.dim} dimensions and WordLlama makes {WordLlama.dim}: name the one that "
            "made its vectors with --embedder module:name, or give a vector with --vector"
        )
    return WordLlama()


def load(name: str) -> Embedder:
    """What ``module:name`` names, made if it is a class; modules of the current folder are found."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise InvalidInput(f"--embedder is {name!r}; give module:name, e.g. my_embedders:E5")
    sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        embedder: Embedder = found() if isinstance(found, type) else found
    except (Exception, SystemExit) as error:  # it is the user's code: whatever it raises is for its author
        raise InvalidInput(f"--embedder {name!r} cannot be loaded: {_named(error)}") from error
    check_embedder(embedder)
    return _Chosen(name, embedder)


class _Chosen:
    """An embedder of the user's, whose errors are told with its name."""

    def __init__(self, name: str, embedder: Embedder) -> None:
        self.dim = getattr(embedder, "dim", None)
        self._name = name
        self._embedder = embedder

    def embed(self, texts: list[str], /) -> Any:
        try:
            return call_embedder(self._embedder, texts)
        except Exception as error:
            raise InvalidInput(f"the embedder {self._name!r} failed: {_named(error)}") from error


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def embed(embedder: Embedder, text: str, dim: int) -> Vector:
    """The vector of one text."""
    vector: Vector = embed_texts(embedder, [text], dim)[0]
    return vector


def read_vector(file: Path) -> Any:
    """The one vector in a .npy file, of shape (dim,) or (1, dim)."""
    if found := other_than_file(file):
        raise InvalidInput(f"{file} is {found}; give a .npy file")
    try:
        with file.open("rb") as opened:
            array = np.load(opened, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{file} cannot be read as a .npy file: {error}") from error
    if not isinstance(array, np.ndarray):  # an .npz
        array.close()
        raise InvalidInput(f"{file} is not a .npy file with one vector")
    return array[0] if array.ndim == 2 and array.shape[0] == 1 else array
