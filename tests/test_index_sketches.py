"""Long vectors are walked by sketches, and found as well where these order nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import engram

DIM = 768


def test_distances_that_spread_far_do_not_hide_that_sketches_order_nothing_near() -> None:
    random = np.random.default_rng(1)
    axes = random.standard_normal((24, DIM))

    def make(count: int, share: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        vectors = random.standard_normal((count, 24)) @ axes
        large = random.random(count) < share
        vectors[large, 5] += 2000 * random.random(large.sum())  # one element takes the levels from all others
        return vectors.astype(np.float32), large

    base, _ = make(6000, 0.05)
    queries, large = make(200, 0.5)
    index = engram.Index(DIM, "cosine", ef_construction=100)
    index.add(np.arange(len(base)), base, threads=1)
    distances = 1 - unit(queries) @ unit(base).T
    tenth = np.partition(distances, 9, axis=1)[:, 9:10] + 1e-6
    for ef in (40, 120, 140):
        found = np.take_along_axis(distances, index.search(queries, 10, ef=ef)[0], axis=1) <= tenth
        assert found[large].mean() > 0.97, ef
        assert found[~large].mean() > 0.97, ef


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    lengths: NDArray[np.float64] = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / lengths
