"""The demo, and the text it is made of."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import engram
from engram.demo.docstrings import standard_library

needs_extras = pytest.mark.skipif(
    any(importlib.util.find_spec(each) is None for each in ("rich", "typer", "wordllama")),
    reason='extras are missing: pip install "engram-store[all]"',
)


def test_the_standard_library_says_much_of_itself() -> None:
    before = set(sys.modules)

    texts = standard_library()

    assert len(texts) > 3000
    assert texts["shutil.rmtree"].startswith("shutil rmtree: Recursively delete")
    assert not any(part.startswith("_") and part != "__init__" for name in texts for part in name.split("."))
    assert {"antigravity", "this", "turtle", "tkinter"}.isdisjoint(set(sys.modules) - before)


@pytest.mark.slow
@needs_extras
def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    code = "from engram.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "killed with SIGKILL" in done.stdout
    assert "equal to the bit" in done.stdout
    assert "shutil.rmtree" in done.stdout
    assert "recall@10" in done.stdout or "faiss-cpu is not installed" in done.stdout
    again = subprocess.run(
        [sys.executable, "-c", code, "demo", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert "not empty" in again.stderr


@pytest.mark.slow
@needs_extras
def test_ctrl_c_ends_the_demo_and_its_child(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    demo = subprocess.Popen(
        [sys.executable, "-c", "from engram.cli import main; main()", "demo", "--keep", str(kept)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (kept / "manifest").exists():  # the child has begun
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    _, complaint = demo.communicate(timeout=60)

    assert demo.returncode == 130, complaint
    assert "Traceback" not in complaint
    with engram.open(kept):  # which the child would still hold
        pass
