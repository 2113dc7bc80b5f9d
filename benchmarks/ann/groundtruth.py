"""Exact neighbours: computed once, kept in the cache; given ones are checked before they judge anybody."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.metrics import distances
from benchmarks.ann.readers import DataError
from benchmarks.common.paths import cache_folder
from benchmarks.common.progress import track

DEPTH = 100
_BLOCK_BYTES = 256 << 20


def checksum(*arrays: NDArray[np.generic]) -> str:
    """A fingerprint of the arrays' bytes and shapes."""
    digest = hashlib.blake2b(digest_size=12)
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def exact(
    metric: str, base: NDArray[np.float32], queries: NDArray[np.float32], depth: int = DEPTH
) -> NDArray[np.int64]:
    """The rows of the base nearest to each query, nearest first, ties by row; shape (n, min(depth, rows)).

    Candidates come from float32 matrix products, twice as many as asked for; their order is decided by
    distances in float64.
    """
    depth = min(depth, len(base))
    wide = min(2 * depth + 20, len(base))
    block = max(1, _BLOCK_BYTES // (4 * len(base)))
    lengths = np.einsum("ij,ij->i", base, base)
    result = np.empty((len(queries), depth), np.int64)
    for begin in track(range(0, len(queries), block), "exact neighbours"):
        part = queries[begin : begin + block]
        scores = part @ base.T
        if metric == "l2":
            scores = 0.5 * lengths - scores
        elif metric == "cosine":
            scores = -scores / np.sqrt(np.where(lengths == 0, 1.0, lengths))
        else:
            scores = -scores
        near = np.argpartition(scores, wide - 1, axis=1)[:, :wide].astype(np.int64)
        near.sort(axis=1)
        order = np.argsort(distances(metric, part, base, near), axis=1, kind="stable")[:, :depth]
        result[begin : begin + block] = np.take_along_axis(near, order, axis=1)
    return result


def cached_exact(metric: str, base: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """`exact`, from the cache when these very vectors were seen before."""
    folder = cache_folder() / "groundtruth"
    folder.mkdir(exist_ok=True)
    file = folder / f"{metric}-{checksum(base, queries)}.npy"
    if not file.exists():
        save_atomically(file, exact(metric, base, queries))
    found: NDArray[np.int64] = np.load(file)
    return found


def check_given(
    metric: str,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    given: NDArray[np.int64],
    source: Path,
    sample: int = 10,
) -> None:
    """Refuse ground truth that is not that of these vectors, by computing a few rows of it anew."""
    shaped = len(given) == len(queries) > 0 and given.shape[1] >= 10
    if not shaped or given.min() < 0 or given.max() >= len(base):
        span = f" with rows {given.min()}..{given.max()}" if given.size else ""
        raise DataError(
            f"{source}: ground truth of shape {given.shape}{span} does not belong to {len(queries)} queries "
            f"on {len(base)} vectors; leave it out to have it computed"
        )
    rows = np.linspace(0, len(queries) - 1, min(sample, len(queries))).astype(int)
    depth = min(DEPTH, given.shape[1])
    right = distances(metric, queries[rows], base, exact(metric, base, queries[rows], depth))
    said = distances(metric, queries[rows], base, given[rows, :depth])
    if not np.allclose(
        np.sort(said, axis=1), right, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(right).max()))
    ):
        raise DataError(
            f"{source}: this ground truth is not that of these vectors under {metric}; leave it out to have "
            "it computed"
        )


def save_atomically(file: Path, array: NDArray[np.generic]) -> None:
    partial = file.with_name(f".{file.name}.partial.npy")
    np.save(partial, array)
    partial.replace(file)
