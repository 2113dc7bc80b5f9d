"""Which rows may answer, and who asks.

uncorrelated: any rows may, anybody asks. near: a neighbourhood may, and those near it ask. far: a
neighbourhood may, and those farthest from it ask: a walk towards the query leads away from all that counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("uncorrelated", "near", "far")
_SEED = 20_260_303


@dataclass(frozen=True)
class Case:
    """One filter and its queries."""

    kind: str
    share: float
    allowed: NDArray[np.bool_]  # a boolean a row of the base
    queries: NDArray[np.float32]


def cases(
    base: NDArray[np.float32], queries: NDArray[np.float32], shares: Sequence[float], asked: int
) -> Iterator[Case]:
    """Every kind at every share, ``asked`` queries each."""
    random = np.random.default_rng(_SEED)
    for kind in KINDS:
        for share in shares:
            count = max(1, round(share * len(base)))
            if kind == "uncorrelated":
                rows = random.choice(len(base), count, replace=False)
                chosen = queries[random.permutation(len(queries))[:asked]]
            else:
                anchor = base[random.integers(len(base))]
                rows = np.argsort(_distances(base, anchor), kind="stable")[:count]
                order = np.argsort(_distances(queries, anchor), kind="stable")
                chosen = queries[order[:asked] if kind == "near" else order[::-1][:asked]]
            allowed = np.zeros(len(base), np.bool_)
            allowed[rows] = True
            yield Case(kind, share, allowed, np.ascontiguousarray(chosen))


def _distances(vectors: NDArray[np.float32], anchor: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = ((vectors - anchor) ** 2).sum(axis=1)
    return squares
