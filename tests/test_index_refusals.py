"""engram.Index refuses what it cannot use, and nothing changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engram


def bad_vectors() -> list[tuple[Any, type[Exception], str]]:
    good = np.ones((3, 4), np.float32)
    nan, huge, zero = good.copy(), good.copy(), good.copy()
    nan[1, 2] = np.nan
    huge[2] = 3e19
    zero[1] = 0
    return [
        (nan, engram.InvalidVector, "row 1"),
        (huge, engram.InvalidVector, "row 2"),
        (zero, engram.InvalidVector, "row 1"),
        (np.full((3, 4), np.inf), engram.InvalidVector, "row 0"),
        (np.full((3, 4), 1e300), engram.InvalidVector, "1e\\+300"),
        (good.astype(complex), engram.InvalidVector, "complex"),
        (good.astype(object), engram.InvalidVector, "object"),
        (np.ones((3, 5)), engram.DimensionMismatch, "5"),
        (np.ones((3, 4, 1)), engram.DimensionMismatch, "axes"),
        ([["a"] * 4] * 3, engram.InvalidVector, "number|dtype"),
        ([[1.0], [1.0, 2.0]], engram.InvalidVector, "array"),
    ]


@pytest.mark.parametrize(("vectors", "error", "message"), bad_vectors())
def test_a_bad_vector_is_refused_and_nothing_changes(
    vectors: Any, error: type[Exception], message: str
) -> None:
    index = engram.Index(4, metric="cosine")
    index.add([1], [[1, 2, 3, 4]])
    with pytest.raises(error, match=message):
        index.add([5, 6, 7], vectors)
    with pytest.raises(error):
        index.search(vectors, k=1)
    assert len(index) == 1
    assert index.search([1, 2, 3, 4], k=2)[0].tolist() == [[1, -1]]


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", None, True, 2**40])
def test_a_k_that_is_no_count_is_refused(k: Any) -> None:
    index = engram.Index(3)
    index.add(np.arange(3), np.eye(3, dtype=np.float32))
    with pytest.raises(engram.InvalidInput, match="k is"):
        index.search(np.eye(3), k)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dim": 0},
        {"dim": 65_537},
        {"dim": 2.5},
        {"dim": 4, "metric": "hamming"},
        {"dim": 4, "M": 1},
        {"dim": 4, "ef_construction": 0},
        {"dim": 4, "dtype": "f64"},
        {"dim": 4, "seed": -1},
    ],
)
def test_a_parameter_out_of_range_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(engram.InvalidInput):
        engram.Index(**arguments)


def test_labels_that_are_none_are_refused() -> None:
    index = engram.Index(2)
    for labels in (["a", "b"], [1.5, 2.5], [[1], [2]], [2**63, 2**64 - 1], [2**70, 1]):
        with pytest.raises(engram.InvalidInput):
            index.add(labels, [[1, 2], [3, 4]])
    with pytest.raises(engram.InvalidInput, match="3 labels"):
        index.add([1, 2, 3], [[1, 2], [3, 4]])
    assert len(index) == 0


def test_a_16_bit_float_that_would_overflow_is_refused() -> None:
    index = engram.Index(2, dtype="f16")
    with pytest.raises(engram.InvalidVector, match="65504"):
        index.add([1], [[1e5, 1.0]])
    assert len(index) == 0
