"""Vectors out of what a caller gives: arrays as they are, texts through the store's embedder."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from . import embedders
from ._errors import InvalidInput
from ._rows import Texts
from ._vectors import Matrix, Vector, as_matrix, as_vector
from .embedders import Embedder


class Encoder:
    """Checked vectors of one dimension; from any thread, if the embedder allows that."""

    def __init__(self, embedder: Embedder | None, dim: int) -> None:
        self._embedder = embedder
        self._dim = dim

    def memory(self, vector: ArrayLike | None, content: str | None) -> Vector:
        """The vector of a memory to be stored."""
        if vector is not None:
            return as_vector(vector, self._dim)
        embedded: Vector = self._embed([_text_of(content)])[0]
        return embedded

    def memories(self, texts: Texts, vectors: ArrayLike | None) -> Matrix:
        """The vectors of memories to be stored, one for each id."""
        if vectors is None:
            if texts.contents is None:
                raise InvalidInput("neither vectors nor contents were given; give one of them")
            return self._embed([_text_of(content) for content in texts.contents])
        matrix = as_matrix(vectors, self._dim)
        if len(matrix) != len(texts.ids):
            raise InvalidInput(f"there are {len(matrix)} vectors for {len(texts.ids)} ids; give one each")
        return matrix

    def cue(self, cue: ArrayLike | str) -> Vector:
        """The vector to recall with."""
        return self._embed([cue])[0] if isinstance(cue, str) else as_vector(cue, self._dim, "the cue")

    def cues(self, cues: ArrayLike | Sequence[str]) -> Matrix:
        """The vectors to recall with, one a row."""
        if isinstance(cues, str):
            raise InvalidInput("cues is a single text; use recall, or give a list of texts")
        if isinstance(cues, (list, tuple)) and cues and all(isinstance(cue, str) for cue in cues):
            return self._embed([str(cue) for cue in cues])
        return as_matrix(cues, self._dim, "the cues")

    def _embed(self, texts: Sequence[str]) -> Matrix:
        if self._embedder is None:
            raise InvalidInput(
                "a text was given where a vector is needed and this store has no embedder: open it with "
                "embedder=engram.embedders.WordLlama() or another, or give a vector"
            )
        return embedders.embed(self._embedder, texts, self._dim)


def _text_of(content: str | None) -> str:
    if content is None:
        raise InvalidInput("neither a vector nor a content was given; give one of them")
    return content
