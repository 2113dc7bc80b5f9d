"""What the killed program does: for each thread endless operations that a seed alone determines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.model import Floats

DIM = 16
_IDS_A_THREAD = 40  # few, so that most operations replace


@dataclass(frozen=True)
class Operation:
    number: int
    forgets: bool
    ids: list[str]
    vectors: list[Floats]
    contents: list[str | None]


def operations(seed: int, thread: int) -> Iterator[Operation]:
    """Ids belong to one thread, so that their order is known."""
    rng = np.random.default_rng([seed, thread])
    number = 0
    while True:
        kind = rng.random()
        count = 1 if kind < 0.85 else int(rng.integers(2, 12))
        ids = [f"t{thread}-{each}" for each in rng.choice(_IDS_A_THREAD, count, replace=False)]
        vectors = list(rng.standard_normal((count, DIM)).astype(np.float32))
        contents: list[str | None] = [f"{id} of operation {number}" for id in ids]
        yield Operation(number, kind < 0.15, ids, vectors, contents)
        number += 1
