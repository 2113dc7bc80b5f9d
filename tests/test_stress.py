"""Eight threads, closed or killed at any moment and opened again: a model knows what must be there."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import engram
from tests.stress_child import vector_of

ROOT = Path(__file__).resolve().parents[1]
SECONDS = float(os.environ.get("ENGRAM_STRESS_SECONDS", "6")) / 12  # of each round
SEED = int(os.environ.get("ENGRAM_STRESS_SEED", str(random.SystemRandom().randrange(2**32))))

Held = dict[str, "int | None"]


def run(folder: Path, journal: Path, seed: int, indexing: str, *, kill: bool) -> str:
    """One life of the process; what it complained of."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stress_child", str(folder), str(journal), str(seed), indexing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        ready = child.stdout.readline()
        if ready:
            time.sleep(SECONDS * random.Random(seed).uniform(0.5, 1.5))  # when it is killed decides nothing
        if kill:
            child.kill()
        _, complaint = child.communicate(timeout=120)
    assert ready.strip() == "ready", complaint
    assert kill or child.returncode == 0, complaint
    return complaint


def outcomes(journal: Path, held: Held) -> dict[str, set[int | None]]:
    """What each id may hold: what was done last, or that or the state before if a kill came in between."""
    may: dict[str, set[int | None]] = {id: {value} for id, value in held.items()}
    begun: dict[int, Held] = {}
    lines = journal.read_text().splitlines() if journal.exists() else []
    for line in map(json.loads, lines):
        if "begin" in line:
            begun[line["thread"]] = line["begin"]
        else:
            may.update({id: {value} for id, value in begun.pop(line["thread"]).items()})
    for changes in begun.values():
        for id, value in changes.items():
            may[id] = may.get(id, {None}) | {value}
    return may


@pytest.mark.parametrize("indexing", ["async", "sync"])
def test_what_eight_threads_were_told_holds_through_closes_and_kills(
    folder: Path, tmp_path: Path, indexing: str
) -> None:
    print(f"ENGRAM_STRESS_SEED={SEED}")
    held: Held = {}
    for life, kill in enumerate(itertools.islice(itertools.cycle([True, False]), 4)):
        journal = tmp_path / f"journal-{life}"

        complaint = run(folder, journal, SEED + life, indexing, kill=kill)

        assert complaint == ""
        may = outcomes(journal, held)
        with engram.open(folder) as store:
            store.verify()
            held = {}
            for id in set(may) | set(store):
                found = store.get(id)
                held[id] = None if found is None else int(found.content or "")
                assert held[id] in may[id], f"{id} holds {held[id]} and not one of {may[id]}, life {life}"
                if found is not None:
                    assert found.vector.tobytes() == vector_of(held[id] or 0).tobytes()
                    assert store.recall(found.vector, k=1).ids == [id]
    assert any(value is not None for value in held.values())
