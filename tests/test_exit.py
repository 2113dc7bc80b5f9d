"""A program may end while daemon threads are in native calls: it ends as if they were not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import engram

PROGRAM = """
import sys, threading
import numpy as np
import engram

index = engram.Index(16)
index.add(np.arange(2000), np.random.default_rng(0).normal(size=(2000, 16)))
store = engram.open(sys.argv[2] or None, 16, fsync="never")
for row in range(50):
    store.store(str(row), np.ones(16) + row)
calls = {
    "search": lambda: index.search(np.ones(16), 5),
    "add": lambda: index.add(np.arange(50), np.ones((50, 16))),
    "recall": lambda: store.recall(np.ones(16)),
    "store": lambda: store.store("again", np.ones(16)),
}
started = threading.Barrier(5)

def work():
    calls[sys.argv[1]]()
    started.wait()
    while True:
        try:
            calls[sys.argv[1]]()
        except engram.StoreClosed:  # shut at exit
            pass

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
"""


@pytest.mark.parametrize("call", ["search", "add", "recall", "store"])
@pytest.mark.parametrize("where", ["ram", "folder"])
def test_a_program_ends_well_with_daemon_threads_in_native_calls(
    tmp_path: Path, call: str, where: str
) -> None:
    for round in range(4):
        folder = str(tmp_path / f"store{round}") if where == "folder" else ""
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, call, folder],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        if folder:
            with engram.open(folder) as store:
                assert len(store) >= 50
                store.verify()
