"""What turns texts into vectors: the shape an embedder has, and the one of the extra ``text``."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ._errors import EngramError, InvalidInput
from ._vectors import Matrix, as_float32, as_matrix

_TEXTS_AT_ONCE = 1024


class HasEmbed(Protocol):
    """An object with a method ``embed``: n texts in, an array of shape (n, dim) out."""

    def embed(self, texts: list[str], /) -> ArrayLike: ...


Embedder: TypeAlias = Callable[[list[str]], ArrayLike] | HasEmbed


def check_embedder(embedder: object) -> None:
    """Refuses what can embed nothing."""
    if isinstance(embedder, type):
        raise InvalidInput(f"the embedder is the class {embedder.__name__}; give an instance of it")
    if embedder is not None and not callable(embedder) and not callable(getattr(embedder, "embed", None)):
        raise InvalidInput(
            f"the embedder is of type {type(embedder).__name__}; give a callable from a list of str to an "
            "(n, dim) array, or an object with such a method `embed`"
        )


def dimension_of(embedder: Embedder) -> int:
    """What an embedder says of its dimension in ``dim``, or shows by embedding a word."""
    said = getattr(embedder, "dim", None)
    if isinstance(said, (int, np.integer)) and not isinstance(said, bool):
        return int(said)
    given = call_embedder(embedder, ["memory"])
    shape = as_float32(given, "the embedder's vector").shape
    if len(shape) != 2 or shape[0] != 1 or shape[1] < 1:
        raise InvalidInput(f"the embedder gave the shape {shape} for one text; it must give (1, dim)")
    return int(shape[1])


def embed(embedder: Embedder, texts: Sequence[str], dim: int) -> Matrix:
    """The texts as float32 of shape (n, dim)."""
    vectors = np.empty((len(texts), dim), dtype=np.float32)
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        piece = texts[at : at + _TEXTS_AT_ONCE]
        # It gets a list of its own: one that it changes must not change what is asked of it.
        given = as_matrix(call_embedder(embedder, list(piece)), dim, "the embedder's vectors")
        if len(given) != len(piece):
            raise InvalidInput(
                f"the embedder gave {len(given)} vectors for {len(piece)} texts; it must give one each"
            )
        vectors[at : at + len(piece)] = given
    return vectors


def call_embedder(embedder: Any, texts: list[str]) -> Any:
    """What it makes of the texts, as it gives it."""
    method = getattr(embedder, "embed", None)
    return method(texts) if callable(method) else embedder(texts)


class WordLlama:
    """Texts as the mean of their tokens' vectors, 256-d: small, offline, thousands of texts a second.

    The model is the one inside the wheel of wordllama; nothing is downloaded.

    Raises
    ------
    EngramError
        wordllama is not installed: ``pip install "engram-store[text]"``.
    """

    dim = 256

    def __init__(self) -> None:
        with _root_logger_untouched():
            try:
                from wordllama import WordLlama as Loader
            except ImportError as error:
                raise EngramError(
                    'engram.embedders.WordLlama needs the package wordllama: pip install "engram-store[text]"'
                ) from error
        folder = importlib.util.find_spec("wordllama")
        assert folder is not None and folder.origin is not None
        self._model = Loader.load(cache_dir=Path(folder.origin).parent, dim=self.dim, disable_download=True)

    def embed(self, texts: list[str], /) -> Matrix:
        """Float32 of shape (n, 256), not normalised."""
        vectors: Matrix = self._model.embed(texts)
        return vectors


@contextlib.contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Undoes what importing wordllama does to the program's logging (basicConfig at INFO)."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            root.removeHandler(handler)
        root.setLevel(level)
