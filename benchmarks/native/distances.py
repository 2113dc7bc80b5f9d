"""The cost of one distance: every kernel of every instruction set, cached and at random places."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.sheet import Sheet
from benchmarks.native.timing import Row, seconds_each

_CODE_HEADER = 16
_CACHED_BYTES = 256 << 10  # fits the second-level cache of anything this runs on
# How vectors are met: all in cache; at random far beyond it; so, but each block of 32 prefetched before
# the one before it is scored, as a walk does.
_ACCESS = ("cached", "random", "random, ahead")


def bandwidth(module: ModuleType, size: int) -> float:
    """GB/s of one core that reads ``size`` bytes in order."""
    words = _array((size // 8,), np.uint64)
    return size / seconds_each(partial(module.bandwidth, words), 1) / 1e9


def distances(module: ModuleType, dim: int, random_bytes: int, memory: float) -> list[Row]:
    """Every kernel at one dimension; ``memory`` is the bandwidth that shares are taken of."""
    rows: list[Row] = []
    for access in _ACCESS:
        size = _CACHED_BYTES if access == "cached" else random_bytes
        for isa, kernel, size_of_one, calls, run in _runs(module, dim, size, access):
            one = seconds_each(run, calls)
            speed = size_of_one / one / 1e9
            rows.append(
                {
                    "kernel": kernel,
                    "dim": dim,
                    "isa": isa,
                    "access": access,
                    "ns": one * 1e9,
                    "gb_s": speed,
                    "share_of_bandwidth": speed / memory,
                }
            )
    return rows


def _runs(
    module: ModuleType, dim: int, size: int, access: str
) -> Iterator[tuple[str, str, int, int, Callable[[], float]]]:
    """(instruction set, kernel, bytes of one vector, calls, what runs and times them)."""
    random = np.random.default_rng(dim)
    query = random.random(dim, np.float32)
    byte_query = random.integers(0, 127, dim, dtype=np.uint8)
    vectors = _array((size // (4 * dim), dim), np.float32)
    codes = _array((size // (dim + _CODE_HEADER), dim + _CODE_HEADER), np.uint8)
    bare = _array((_CACHED_BYTES // dim, dim), np.uint8)
    ahead = access == "random, ahead"
    for table, isa in enumerate(module.instruction_sets()):
        calls = _calls(dim, isa)
        order = random.integers(0, len(vectors), calls)
        for kernel in ("l2", "dot", "cosine"):
            run = partial(module.float_distances, table, kernel, vectors, query, order, ahead)
            yield isa, kernel, 4 * dim, calls, run
        order = random.integers(0, len(codes), calls)
        run = partial(module.code_distances, table, codes, byte_query.view(np.int8), order, ahead)
        yield isa, "codes", dim + _CODE_HEADER, calls, run
        if access == "cached":
            order = random.integers(0, len(bare), calls)
            for kernel in ("dot_u8s8", "l2_u8"):
                run = partial(module.byte_distances, table, kernel, bare, byte_query, order)
                yield isa, kernel, dim, calls, run


def _array(shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    """Ones, in huge pages where the system has them, as the graph keeps its own."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    array: NDArray[Any] = np.frombuffer(memory, kind).reshape(shape)
    array[...] = 1
    return array


def _calls(dim: int, isa: str) -> int:
    """Enough for some ten milliseconds a run."""
    return max(32, (20_000_000 if isa == "scalar" else 60_000_000) // (dim + 64) // 32 * 32)


def distance_sheet(rows: list[Row]) -> Sheet:
    """A line a kernel, dimension and access; a column an instruction set."""
    sets = list(dict.fromkeys(row["isa"] for row in rows))
    sheet = Sheet(
        "one distance: ns (GB/s, share of the memory bandwidth)", ["kernel", "dim", "access", *sets], left=3
    )
    lines: dict[tuple[str, int, str], dict[str, str]] = {}
    for row in rows:
        cell = f"{row['ns']:.1f} ({row['gb_s']:.1f}, {100 * row['share_of_bandwidth']:.0f} %)"
        lines.setdefault((row["kernel"], row["dim"], row["access"]), {})[row["isa"]] = cell
    for (kernel, dim, access), cells in sorted(lines.items()):
        sheet.rows.append([kernel, str(dim), access, *(cells.get(isa, "") for isa in sets)])
    return sheet
