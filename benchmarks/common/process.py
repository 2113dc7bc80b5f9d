"""Numbers of the running process: where it may run, how much memory it holds."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What this process may use, read before anything pins it.
ALL_CORES = (
    sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
)


def pin(cores: list[int]) -> None:
    """Let every thread of this process run on ``cores`` alone.

    Threads of a pool keep the affinity of the thread that made them, so each is set by its own id.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue


def one_core() -> list[int]:
    """The core for single-thread work: the last, since the first serves most interrupts."""
    return ALL_CORES[-1:]


def resident_bytes() -> int:
    """Resident memory of this process once freed memory has been given back to the system."""
    _trim()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> None:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def anonymous_bytes() -> int:
    """As `resident_bytes`, without the pages of files: a mapped data set is no part of an index."""
    _trim()
    resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python's collector out of a timed stretch, as timeit does."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below ``folder``, as their lengths say."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def allocated_bytes(folder: Path, pattern: str = "*") -> int:
    """Bytes of the disk that the files below ``folder`` occupy: holes are not counted, preallocation is."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob(pattern) if file.is_file())
