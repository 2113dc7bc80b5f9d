"""A process that dies at any step of a store's life leaves a store with all it was told is stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.kill_point_child import DIM, STEPS, content_of, open_store, vector_of

Model = dict[str, tuple[int, int]]  # id: (step, row) that stored it

LONG = os.environ.get("ENGRAM_LONG_TESTS") == "1"


def run_child(folder: Path, point: str | None) -> tuple[int, int]:
    """How the child ended, and how many steps had returned."""
    environment = {**os.environ, **({} if point is None else {"ENGRAM_CRASH_AT": point})}
    child = subprocess.run(
        [sys.executable, "-m", "tests.kill_point_child", str(folder)],
        env=environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode in (0, -signal.SIGKILL), child.stderr
    return child.returncode, len(child.stdout.splitlines())


def model_after(steps: int) -> Model:
    model: Model = {}
    for number, (operation, ids) in enumerate(STEPS[:steps]):
        if operation == "forget":
            model.pop(ids[0], None)
        elif operation.startswith("store"):
            model.update({id: (number, row) for row, id in enumerate(ids)})
    return model


def held_by(folder: Path) -> Model:
    with open_store(folder) as store:
        model: Model = {}
        for id in store:
            memory = store.get(id)
            assert memory is not None
            step, row = int(memory.vector[0]), int(memory.vector[1])
            assert np.array_equal(memory.vector, vector_of(step, row))
            assert memory.content == content_of(step, row)
            model[id] = (step, row)
        found = store.recall(np.zeros(DIM), k=100)
        assert sorted(hit.id for hit in found) == sorted(model)
        assert len(store) == len(model)
        store.verify()
    return model


def numbers() -> Iterator[int]:
    """Which calls of a name to die at: in short 1, 2, 3, 5, 8, 13, ..., in long all."""
    number, following = 1, 2
    while True:
        yield number
        number, following = (number + 1, 0) if LONG else (following, number + following)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["create", "write", "sync", "allocate", "rename", "remove", "make_folder", "sync_folder"]
)
def test_a_death_at_any_call_leaves_a_store_with_all_that_returned(tmp_path: Path, name: str) -> None:
    for number in numbers():
        folder = tmp_path / f"store-{number}"
        code, returned = run_child(folder, f"{name}:{number}")
        held = held_by(folder)
        assert held in (model_after(returned), model_after(returned + 1)), f"ENGRAM_CRASH_AT={name}:{number}"
        assert held_by(folder) == held
        if code == 0:  # it never came to so many
            assert returned == len(STEPS)
            break


def test_an_unknown_kill_point_is_refused(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", f"import engram; engram.open({str(tmp_path / 's')!r}, 4)"],
        env={**os.environ, "ENGRAM_CRASH_AT": "lunch:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 2
    assert "lunch:1" in child.stderr
