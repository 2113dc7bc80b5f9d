"""Counting what a store really asks of the disk: its sync calls, seen from outside by strace.

The worker marks the stretch that counts with access() calls on names that do not exist; strace writes these
among the others, so that opening, creating and closing are left out.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_MARK = "/engram-benchmark-mark/"
_SYNCS = ("fsync", "fdatasync", "sync", "syncfs", "msync")
_TRACED = (*_SYNCS, "access", "?faccessat", "?faccessat2", "openat", "?io_uring_setup", "?pwritev2")
_CALL = re.compile(r"(?:^|\s)(fsync|fdatasync|syncfs|sync|msync)\((.*)")


@dataclass(frozen=True)
class Syncs:
    """Sync calls between two marks, by kind; and how many files were opened so that each write syncs."""

    calls: dict[str, int]
    synchronous_files: int
    io_uring: bool

    @property
    def total(self) -> int:
        return sum(self.calls.values())


def mark(name: str) -> None:
    """Leave a trace that costs next to nothing where nobody looks."""
    os.access(_MARK + name.replace(" ", "-"), os.F_OK)


def available() -> bool:
    return shutil.which("strace") is not None


def wrapper(output: Path) -> list[str]:
    """The command to run a worker under."""
    calls = ",".join(_TRACED)
    return ["strace", "-f", "-qq", "-e", "signal=none", "-e", f"trace={calls}", "-o", str(output)]


def count(trace: str, stretch: str) -> Syncs:
    """What happened between the marks "begin <stretch>" and "end <stretch>"."""
    begin = trace.find(f"{_MARK}begin-{stretch}")
    end = trace.find(f"{_MARK}end-{stretch}")
    if begin < 0 or end < begin:
        raise ValueError(f"the trace has no stretch {stretch!r}: did strace run the worker?")
    calls: dict[str, int] = {}
    for line in trace[begin:end].splitlines():
        found = _CALL.search(line)
        # A call that another thread interrupts shows twice: unfinished, then resumed (without its bracket).
        if found and not (found[1] == "msync" and "MS_SYNC" not in found[2]):
            calls[found[1]] = calls.get(found[1], 0) + 1
    # Files opened earlier sync in the stretch as well.
    opened = [line for line in trace[:end].splitlines() if "openat" in line]
    synchronous = sum("O_SYNC" in line or "O_DSYNC" in line for line in opened)
    return Syncs(calls, synchronous, "io_uring_setup" in trace[:end])
