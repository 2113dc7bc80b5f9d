"""What holds of engram.Index, whatever was added, replaced, removed, laid out anew or saved before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import engram

Metric = Literal["l2", "ip", "cosine"]
KINDS = ("normal", "lattice", "copies", "far away", "some dimensions constant", "lengths of all sizes")
STEPS = ("add", "replace", "remove", "optimize", "reload")
SMALLEST = 1_300  # so many are walked, not scanned
ASKED = 40


@dataclass(frozen=True)
class History:
    """What an index went through; everything random in it comes from the seed."""

    metric: Metric
    dim: int
    kind: str
    threads: int
    seed: int
    steps: tuple[str, ...]


histories = st.builds(
    History,
    metric=st.sampled_from(("l2", "ip", "cosine")),
    dim=st.sampled_from((2, 3, 8, 33, 100)),
    kind=st.sampled_from(KINDS),
    threads=st.sampled_from((1, 3)),
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(st.sampled_from(STEPS), max_size=6).map(tuple),
)


def vectors(random: np.random.Generator, kind: str, count: int, dim: int) -> NDArray[np.float32]:
    """``count`` vectors of a kind, none of them zero."""
    drawn: NDArray[Any] = random.normal(size=(count, dim))
    if kind == "lattice":
        drawn = random.integers(-2, 3, size=(count, dim)) + 0.5
    elif kind == "copies":
        drawn = np.random.default_rng(dim).normal(size=(50, dim))[random.integers(0, 50, count)]
    elif kind == "far away":
        drawn += 1000
    elif kind == "some dimensions constant":
        drawn[:, ::2] = 3
    elif kind == "lengths of all sizes":
        drawn *= np.exp(random.normal(0, 1.5, size=(count, 1)))
    return drawn.astype(np.float32)


class Held:
    """An index and what it must hold."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.random = np.random.default_rng(history.seed)
        self.index = engram.Index(history.dim, metric=history.metric, M=16, ef_construction=60)
        self.held: dict[int, NDArray[np.float32]] = {}
        self.next = 0
        self.put(np.arange(SMALLEST + 700))
        for step in history.steps:
            self.take(step)

    def put(self, labels: NDArray[Any]) -> None:
        drawn = vectors(self.random, self.history.kind, len(labels), self.history.dim)
        self.index.add(labels, drawn, threads=self.history.threads)
        self.held.update(zip(labels.tolist(), drawn, strict=True))
        self.next = max(self.next, int(labels.max()) + 1)

    def some(self, share: float) -> NDArray[np.int64]:
        labels = np.fromiter(self.held, np.int64)
        return self.random.choice(labels, int(share * len(labels)), replace=False)

    def take(self, step: str) -> None:
        if step == "add":
            self.put(np.arange(self.next, self.next + 300))
        elif step == "replace":
            self.put(self.some(0.4))
        elif step == "remove":
            gone = self.some(0.3)[: len(self.held) - SMALLEST]
            assert self.index.remove(gone) == len(gone)
            for label in gone.tolist():
                del self.held[label]
        elif step == "optimize":
            self.index.optimize()
        else:
            with TemporaryDirectory() as folder:
                self.index.save(Path(folder) / "index")
                self.index = engram.Index.load(Path(folder) / "index")

    def distances(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All labels, ascending, and their distances to each query in float64."""
        labels = np.array(sorted(self.held), np.int64)
        base = np.stack([self.held[label] for label in labels.tolist()]).astype(np.float64)
        asked = queries.astype(np.float64)
        if self.history.metric == "l2":
            return labels, np.stack([((base - query) ** 2).sum(axis=1) for query in asked])
        if self.history.metric == "cosine":
            base /= np.linalg.norm(base, axis=1, keepdims=True)
            asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        return labels, 1 - asked @ base.T

    def allowance(self, queries: NDArray[np.float32]) -> tuple[float, float]:
        """How far a distance may be from NumPy's: relatively under l2, else by the scale of the sum."""
        if self.history.metric == "l2":
            return 1e-5, 0.0
        longest = 1.0
        if self.history.metric == "ip":
            longest = max(float(np.linalg.norm(row)) for row in self.held.values())
            longest *= float(np.linalg.norm(queries, axis=1).max())
        return 0.0, 1e-6 * max(longest, 1.0)


@settings(max_examples=25)
@given(history=histories)
def test_it_holds_what_was_put_in_and_not_taken_out(history: History) -> None:
    it = Held(history)

    labels, found = it.index.search(it.held[next(iter(it.held))], k=len(it.held) + 3)

    assert len(it.index) == len(it.held)
    assert sorted(labels[0, :-3].tolist()) == sorted(it.held)
    assert labels[0, -3:].tolist() == [-1] * 3 and np.isinf(found[0, -3:]).all()


@settings(max_examples=25)
@given(history=histories)
def test_distances_are_numpys_ascending_and_of_different_labels(history: History) -> None:
    it = Held(history)
    queries = vectors(it.random, history.kind, ASKED, history.dim)

    labels, found = it.index.search(queries, k=20, ef=30, threads=1)

    assert all(len(set(row)) == 20 and set(row) <= it.held.keys() for row in labels.tolist())
    assert (np.diff(found, axis=1) >= 0).all()
    every, true = it.distances(queries)
    places = np.searchsorted(every, labels)
    rtol, atol = it.allowance(queries)
    np.testing.assert_allclose(found, np.take_along_axis(true, places, axis=1), rtol=rtol, atol=atol)
    for one, many in zip((labels, found), it.index.search(queries, k=20, ef=30, threads=3), strict=True):
        np.testing.assert_array_equal(one, many)


@settings(max_examples=20)
@given(history=histories)
def test_a_walk_finds_what_it_finds_in_an_index_built_afresh(history: History) -> None:
    it = Held(history)
    fresh = engram.Index(history.dim, metric=history.metric, M=16, ef_construction=60)
    fresh.add(np.fromiter(it.held, np.int64), np.stack(list(it.held.values())), threads=1)
    asked = it.some(0.25)
    queries = np.stack([it.held[label] for label in asked.tolist()])
    true = np.sort(it.distances(queries)[1], axis=1)[:, :10]
    rtol, atol = it.allowance(queries)
    right = true * (1 + rtol) + atol + 1e-30

    shares = []
    for index in (it.index, fresh):
        _, found = index.search(queries, k=10, ef=SMALLEST // 41)
        shares.append([(found[:, 0] <= right[:, 0]).mean(), (found <= right[:, 9:]).mean()])

    assert shares[0][0] >= shares[1][0] - 0.02 and shares[0][1] >= shares[1][1] - 0.03
    if history.metric != "ip":
        assert shares[0][0] > 0.98


@settings(max_examples=15)
@given(history=histories, share=st.sampled_from((0.002, 0.03, 0.2, 0.6, 1.0)), listed=st.booleans())
def test_a_filter_gives_as_many_as_match_and_none_else(history: History, share: float, listed: bool) -> None:
    it = Held(history)
    mask = np.zeros(it.next, bool)
    mask[it.some(share)] = True
    queries = vectors(it.random, history.kind, ASKED, history.dim)

    labels, found = it.index.search(queries, k=10, ef=30, filter=np.flatnonzero(mask) if listed else mask)

    assert ((labels >= 0).sum(axis=1) == min(10, mask.sum())).all()
    assert mask[labels[labels >= 0]].all()
    assert all(len(set(row)) == len(row) for row in (row[row >= 0].tolist() for row in labels))
    real = found[:, : min(10, mask.sum())]
    assert (np.diff(real, axis=1) >= 0).all()
