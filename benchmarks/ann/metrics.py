"""What is computed from the raw answers: recall with ties, curves, and where they cross a target."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
TARGETS = (0.90, 0.95, 0.99)
# Distances computed in float64 from float32 vectors: equal ones differ by rounding alone.
_TIE = 1e-9


def distances(
    metric: str, queries: NDArray[np.float32], base: NDArray[np.float32], labels: NDArray[np.int64]
) -> FloatArray:
    """The true distance of each labelled row, in float64; infinity for a label that is no row of the base.

    Parameters
    ----------
    metric : "l2" (squared), "cosine" (1 - cos) or "ip" (1 - <x, y>)
    queries : shape (n, dim)
    labels : shape (n, k)
    """
    result = np.full(labels.shape, np.inf)
    for row, (query, found) in enumerate(zip(queries, labels, strict=True)):
        real = (found >= 0) & (found < len(base))
        vectors = base[found[real]].astype(np.float64)
        cue = query.astype(np.float64)
        if metric == "l2":
            difference = vectors - cue
            result[row, real] = np.einsum("ij,ij->i", difference, difference)
        elif metric == "ip":
            result[row, real] = 1.0 - vectors @ cue
        elif metric == "cosine":
            lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(cue)
            result[row, real] = 1.0 - (vectors @ cue) / np.where(lengths == 0, 1.0, lengths)
        else:
            raise ValueError(f"metric must be l2, cosine or ip, not {metric!r}")
    return result


def recall(
    found: NDArray[np.int64], found_distances: FloatArray, true_distances: FloatArray, k: int
) -> float:
    """The share of the k nearest that was found, over all queries.

    A hit counts when it is no farther than the true k-th neighbour, so whoever ties with it counts as found;
    a label that is repeated counts once.

    Parameters
    ----------
    found : labels in the order the engine gave them, shape (n, >= k); -1 where it gave none
    found_distances : their true distances, same shape
    true_distances : of the exact neighbours, nearest first, shape (n, >= k)
    """
    hits = 0
    kth = true_distances[:, k - 1]
    limit = kth + _TIE * np.maximum(1.0, np.abs(kth))
    for labels, near, bound in zip(found[:, :k], found_distances[:, :k], limit, strict=True):
        good = labels[near <= bound]
        hits += len(np.unique(good[good >= 0]))
    return hits / (k * len(found))


@dataclass(frozen=True)
class Point:
    """One setting of the search parameter: a recall and the figures measured there."""

    recall: float
    figures: dict[str, float]


def pareto(points: Sequence[Point], figure: str, *, more_is_better: bool) -> list[Point]:
    """The points no other beats in both recall and ``figure``, by rising recall."""
    sign = 1.0 if more_is_better else -1.0
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, -sign * p.figures[figure])):
        if not kept or sign * point.figures[figure] > sign * kept[-1].figures[figure]:
            kept.append(point)
    return kept[::-1]


@dataclass(frozen=True)
class Crossing:
    """The value of a figure where the curve reaches a recall.

    ``bound``: the curve starts above the target, so the value is that of its first point, and what the engine
    could do below it is not known.
    """

    value: float
    bound: bool = False


def at_recall(
    points: Sequence[Point], target: float, figure: str, *, more_is_better: bool
) -> Crossing | None:
    """``figure`` where the curve of ``points`` reaches ``target``: straight lines between its points, in the
    logarithm of the figure. None when no point reaches the target."""
    curve = pareto(points, figure, more_is_better=more_is_better)
    if not curve or curve[-1].recall < target:
        return None
    for left, right in itertools.pairwise(curve):
        if left.recall <= target <= right.recall:
            share = (target - left.recall) / (right.recall - left.recall)
            low, high = math.log(left.figures[figure]), math.log(right.figures[figure])
            return Crossing(math.exp(low + share * (high - low)))
    return Crossing(curve[0].figures[figure], bound=curve[0].recall > target)


def around_targets(recalls: Sequence[float]) -> list[int]:
    """Of a sweep's points those between which it first crosses a target: what decides there."""
    around: set[int] = set()
    for target in TARGETS:
        above = next((at for at, reached in enumerate(recalls) if reached >= target), None)
        if above is not None:
            around |= {max(0, above - 1), above}
    return sorted(around)


def median(values: Sequence[float]) -> float:
    return float(np.median(np.asarray(values, dtype=np.float64)))


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median: how far rounds of the same measurement lie apart."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
