"""Texts instead of vectors."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram.embedders import WordLlama
from tests.model import Floats

DIM = 12


def embed(texts: list[str]) -> Floats:
    """A vector drawn from each text's letters."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") for text in texts]
    return np.array([np.random.default_rng(seed).standard_normal(DIM) for seed in seeds], np.float32)


class Counting:
    """An object with embed and dim, that counts the texts it was given."""

    dim = DIM

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, texts: list[str]) -> Any:
        self.calls.append(len(texts))
        return embed(texts).astype(np.float64)


@pytest.mark.parametrize("embedder", [embed, Counting()], ids=["function", "object"])
def test_texts_are_stored_and_recalled(folder: Path, embedder: Any) -> None:
    texts = [f"text number {row}" for row in range(50)]
    with engram.open(folder, embedder=embedder) as store:
        assert store.dim == DIM
        store.store("first", content="the first text")
        store.store_many([str(row) for row in range(50)], contents=texts)
        store.store("vector", np.ones(DIM), content="has a vector of its own")

        assert store.recall("the first text", k=1)[0].id == "first"
        assert [found[0].id for found in store.recall_many(["text number 7", "text number 9"], k=1)] == [
            "7",
            "9",
        ]
        found = store.get("7")
        assert found is not None
        assert found.vector.tobytes() == embed(["text number 7"]).tobytes()
        assert found.content == "text number 7"
    with engram.open(folder, embedder=embedder) as store:
        assert store.recall("text number 3", k=1)[0].content == "text number 3"


def test_many_texts_are_embedded_in_pieces(folder: Path) -> None:
    embedder = Counting()
    with engram.open(folder, embedder=embedder) as store:
        store.store_many([str(row) for row in range(2500)], contents=[str(row) for row in range(2500)])
        assert embedder.calls == [1024, 1024, 452]
        assert len(store) == 2500


@pytest.mark.parametrize(
    ("embedder", "said"),
    [
        (lambda texts: embed(texts)[:, :5], "5 dimensions"),
        (lambda texts: embed([*texts, "more"]), "2 vectors for 1 texts"),
        (lambda texts: embed(texts)[0], "shape"),
        (lambda texts: [["a"] * DIM for _ in texts], "dtype"),
        (lambda texts: np.full((len(texts), DIM), np.nan), "(?i)nan|finite"),
        (lambda texts: None, "dtype|shape"),
    ],
    ids=["short", "many", "flat", "words", "nan", "none"],
)
def test_a_wrong_embedder_is_told_what_is_wrong(folder: Path, embedder: Any, said: str) -> None:
    with engram.open(folder, DIM, embedder=embedder) as store:
        for call in (
            lambda: store.store("a", content="text"),
            lambda: store.store_many(["a"], contents=["text"]),
            lambda: store.recall("text"),
        ):
            with pytest.raises(engram.InvalidInput, match=said):
                call()
        assert len(store) == 0


def test_an_embedder_that_raises_raises_through(folder: Path) -> None:
    def broken(texts: list[str]) -> Any:
        raise RuntimeError("no model")

    with engram.open(folder, DIM, embedder=broken) as store:
        with pytest.raises(RuntimeError, match="no model"):
            store.store("a", content="text")
        assert len(store) == 0


def test_an_embedder_of_another_dimension_than_the_store_is_refused(folder: Path) -> None:
    engram.open(folder, DIM + 1).close()
    with pytest.raises(engram.DimensionMismatch, match=f"{DIM + 1}"):
        engram.open(folder, embedder=Counting())


def test_a_class_is_no_embedder(folder: Path) -> None:
    with pytest.raises(engram.InvalidInput, match="instance"):
        engram.open(folder, embedder=Counting)  # type: ignore[arg-type]


needs_wordllama = pytest.mark.skipif(
    importlib.util.find_spec("wordllama") is None,
    reason='wordllama is not installed: pip install "engram-store[text]"',
)


@pytest.fixture
def wordllama() -> WordLlama:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its dependencies say of themselves
        return WordLlama()


@needs_wordllama
def test_wordllama_finds_what_is_meant(folder: Path, wordllama: WordLlama) -> None:
    texts = {
        "cell": "The mitochondria is the powerhouse of the cell.",
        "rome": "Julius Caesar crossed the Rubicon river with his army.",
        "bread": "Knead the dough, let it rise, and bake it in a hot oven.",
        "disk": "A write-ahead log is flushed to disk before the data file.",
    }
    with engram.open(folder, embedder=wordllama) as store:
        assert store.dim == 256
        store.store_many(list(texts), contents=list(texts.values()))

        assert store.recall("Which organelle gives cells their energy?", k=1)[0].id == "cell"
        assert store.recall("How do I make a loaf?", k=1)[0].id == "bread"
        assert store.recall("How does a database survive a crash?", k=1)[0].id == "disk"
        with pytest.raises(engram.InvalidVector, match=r"(?i)zero"):
            store.store("empty", content="")


@needs_wordllama
def test_wordllama_opens_no_connection_and_leaves_logging_alone() -> None:
    code = """
import logging, socket
def refuse(*args, **kwargs):
    raise AssertionError("a connection was opened")
socket.socket.connect = refuse
socket.create_connection = refuse
import engram
vectors = engram.embedders.WordLlama().embed(["a text", "another"])
assert vectors.shape == (2, 256) and vectors.dtype == "float32", vectors
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_wordllama_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    before = list(logging.getLogger().handlers)

    with pytest.raises(engram.EngramError, match=r"engram-store\[text\]"):
        WordLlama()

    assert logging.getLogger().handlers == before
