"""What a store asks of the system, seen from outside: a sync before it says stored, one after each rename."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

TRACED = "trace=fdatasync,fsync,pwritev,pwrite64,write,rename,renameat,renameat2,unlink,openat"
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
FIRST_HALF = re.compile(r"^(?P<thread>\d+) +(?P<call>\w+\(.*) <unfinished \.\.\.>$")
SECOND_HALF = re.compile(r"^(?P<thread>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)$")

CHILD = """
import os, sys
import numpy as np
import engram

def say(text):
    os.write(1, (text + "\\n").encode())

say("open")
store = engram.open(sys.argv[1], 4, metric="l2", fsync=sys.argv[2])
for number in range(3):
    say(f"store {number}")
    store.store(str(number), np.full(4, number, np.float32), content="text")
    say("returned")
say("many")
store.store_many(["a", "b"], np.ones((2, 4), np.float32))
say("returned")
say("forget")
store.forget("a")
say("returned")
say("flush")
store.flush()
say("returned")
say("checkpoint")
store.checkpoint()
say("returned")
say("close")
store.close()
say("returned")
"""


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    file: str  # that the descriptor, if it takes one, stands for

    @property
    def syncs(self) -> bool:
        return self.name in ("fsync", "fdatasync")


def calls_of(trace: Path) -> list[Call]:
    """The calls that succeeded, in the order in which they ended."""
    calls: list[Call] = []
    begun: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        if half := FIRST_HALF.match(line):
            begun[half["thread"]] = half["call"]
            continue
        if half := SECOND_HALF.match(line):
            line = f"{half['thread']} {begun.pop(half['thread'])}{half['rest']}"
        found = CALL.match(line)
        if found and int(found["result"]) >= 0:
            file = re.match(r"\d+<(?P<file>[^>]*)>", found["arguments"])
            calls.append(Call(found["name"], found["arguments"], file["file"] if file else ""))
    return calls


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[Call]]]:
    """Runs the child in a sync mode; its folder, and what it asked of the system."""
    if not sys.platform.startswith("linux"):
        pytest.skip("strace is Linux's")
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian, Ubuntu: apt install strace)")
    allowed = subprocess.run(
        ["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    if allowed.returncode != 0:
        pytest.skip(f"strace may not trace here: {allowed.stderr.strip()}")

    def run(mode: str) -> tuple[Path, list[Call]]:
        folder = tmp_path_factory.mktemp(mode)
        trace = folder / "trace"
        strace = ["strace", "-f", "-y", "-s", "256", "-e", TRACED, "-o", str(trace)]
        child = [sys.executable, "-c", CHILD, str(folder / "store"), mode]
        subprocess.run([*strace, *child], check=True, capture_output=True, timeout=120)
        return folder / "store", calls_of(trace)

    return run


def between(calls: list[Call], begin: str, end: str = "returned") -> list[Call]:
    """What was called from the child's saying the one to its saying the other after it."""
    said = [re.search(r'"(.*)\\n"', call.arguments) if call.name == "write" else None for call in calls]
    words = [each[1] if each else None for each in said]
    first = words.index(begin)
    return calls[first : words.index(end, first)]


@pytest.fixture(scope="module")
def always(traced: Callable[[str], tuple[Path, list[Call]]]) -> list[Call]:
    return traced("always")[1]


@pytest.mark.parametrize("step", ["store 0", "store 1", "store 2", "many", "forget"])
def test_a_durable_call_returns_after_the_sync_of_what_it_wrote(always: list[Call], step: str) -> None:
    of_log = [call for call in between(always, step) if call.file.endswith(".wal")]
    names = [call.name for call in of_log]
    assert "pwritev" in names, "nothing was written"
    assert "fdatasync" in names[names.index("pwritev") :], f"not synced before it returned: {names}"


def test_a_store_that_need_not_sync_does_so_when_asked(
    traced: Callable[[str], tuple[Path, list[Call]]],
) -> None:
    _, calls = traced("never")
    for step in ("store 0", "store 1", "store 2", "many", "forget"):
        of_log = [call.name for call in between(calls, step) if call.file.endswith(".wal")]
        assert "pwritev" in of_log
    assert any(call.syncs and call.file.endswith(".wal") for call in between(calls, "flush"))


def test_a_rename_is_made_durable_by_its_folder_and_only_of_what_was_synced(
    traced: Callable[[str], tuple[Path, list[Call]]],
) -> None:
    folder, calls = traced("always")
    renames = [number for number, call in enumerate(calls) if call.name.startswith("rename")]
    assert len(renames) >= 5, "the first segment, two manifests, a checkpoint's rows and graph"
    for number in renames:
        old, new = re.findall(r'"([^"]*)"', calls[number].arguments)
        assert Path(new).is_relative_to(folder)
        written = [call for call in calls[:number] if call.file == old]
        assert written, f"{old} was never written"
        assert written[-1].syncs, f"{old} was renamed before it was synced"
        until = next(
            (at for at, call in enumerate(calls[number:], number) if '"returned' in call.arguments),
            len(calls),
        )
        assert any(call.syncs and call.file == str(Path(new).parent) for call in calls[number:until]), (
            f"nothing made the name {new} durable before the call returned"
        )
