"""The program that test_kill_points.py lets die at a step of its own: a fixed life of a store.

Run as ``python -m tests.kill_point_child FOLDER`` with ENGRAM_CRASH_AT set. It prints the number of each
operation that returned; STEPS says what they are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

import engram

DIM = 4
# (operation, ids): what the ids become is vector_of(step number, row).
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("store", ("a",)),
    ("store_many", ("b", "c", "d")),
    ("checkpoint", ()),
    ("store", ("b",)),
    ("forget", ("c",)),
    ("reopen", ()),
    ("store_many", ("e", "a", "f")),
    ("checkpoint", ()),
    ("forget", ("e",)),
    ("store", ("g",)),
    ("reopen", ()),
    ("migrate", ()),  # down
    ("forget", ("b",)),
    ("migrate", ()),  # a segment is rewritten, the others move
    ("store", ("d",)),
    ("migrate", ()),
    ("checkpoint", ()),
    ("migrate", ()),
    ("reopen", ()),
)


class Turns:
    """Sends each memory to the next tier down, and from the cold one up."""

    def plan(self, population: engram.Population, budgets: engram.TierBudgets) -> engram.Plan:
        return engram.Plan.between(population, ((population.tier + 1) % 3).astype(np.uint8))


def vector_of(step: int, row: int) -> np.ndarray:
    return np.array([step, row, 1.5, -2.25], dtype=np.float32)


def content_of(step: int, row: int) -> str:
    return f"step {step}, row {row}"


def open_store(folder: Path) -> engram.MemoryStore:
    config = engram.Config(policy=Turns(), migration_interval=None)
    return engram.open(folder, DIM, metric="l2", fsync="always", config=config)


def perform(store: engram.MemoryStore, number: int) -> None:
    operation, ids = STEPS[number]
    if operation == "store":
        store.store(ids[0], vector_of(number, 0), content=content_of(number, 0))
    elif operation == "store_many":
        vectors = np.stack([vector_of(number, row) for row in range(len(ids))])
        store.store_many(ids, vectors, contents=[content_of(number, row) for row in range(len(ids))])
    elif operation == "forget":
        store.forget(ids[0])
    elif operation == "migrate":
        store.migrate()
    else:
        store.checkpoint()


def main() -> None:
    folder = Path(sys.argv[1])
    store = open_store(folder)
    for number, (operation, _) in enumerate(STEPS):
        if operation == "reopen":
            store.close()
            store = open_store(folder)
        else:
            perform(store, number)
        os.write(1, f"{number}\n".encode())
    store.close()


if __name__ == "__main__":
    main()
