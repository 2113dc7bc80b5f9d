"""The command `engram` as a test runs it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("typer", reason='the extra is missing: pip install "engram-store[cli]"')
pytest.importorskip("rich")

import engram
from engram.cli import main

DIM = 4


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command within this process, which spares each test an interpreter's start."""
    words = ["engram", *map(str, arguments)]
    before, code = Path.cwd(), 0
    out, err = io.StringIO(), io.StringIO()
    os.chdir(cwd or before)
    try:
        with (
            mock.patch.object(sys, "argv", words),
            mock.patch.object(sys, "path", list(sys.path)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        code = ended.code
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def run_in_shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from engram.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def filled(folder: Path) -> Path:
    """A store of 20 memories."""
    with engram.open(folder, DIM, metric="l2") as opened:
        opened.store_many(
            [f"id {row}" for row in range(20)],
            np.arange(80).reshape(20, 4),
            contents=[f"text [bold]{row}[/bold]" for row in range(20)],
            metadata=[{"row": row} for row in range(20)],
        )
    return folder
