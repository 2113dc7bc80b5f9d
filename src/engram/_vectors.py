"""Turns what callers hand over as vectors into contiguous float32 of the right shape.

NaN, infinity and zero vectors under cosine are looked for natively, where the bytes pass anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._errors import DimensionMismatch, InvalidVector

Vector = NDArray[np.float32]  # (dim,), C-contiguous
Matrix = NDArray[np.float32]  # (n, dim), C-contiguous


def as_vector(value: ArrayLike, dim: int, what: str = "the vector") -> Vector:
    """`value` as float32 of shape (dim,)."""
    array = as_float32(value, what)
    if array.shape != (dim,):
        if array.ndim == 1:
            raise _other_dimension(what, array.shape[0], dim)
        raise DimensionMismatch(
            f"{what} has the shape {array.shape}, one of this store has the shape ({dim},)"
        )
    return array


def as_matrix(value: ArrayLike, dim: int, what: str = "the vectors") -> Matrix:
    """`value` as float32 of shape (n, dim); no vectors at all may have any dimension."""
    array = as_float32(value, what)
    if array.ndim == 1 and array.shape[0] == 0:
        return array.reshape(0, dim)
    if array.ndim != 2:
        raise DimensionMismatch(f"{what} have the shape {array.shape}, this store takes the shape (n, {dim})")
    if array.shape[1] != dim:
        raise _other_dimension("each vector", array.shape[1], dim)
    return array


def _other_dimension(what: str, found: int, dim: int) -> DimensionMismatch:
    return DimensionMismatch(
        f"{what} has {found} dimensions, this store has {dim} (fixed when it was created)"
    )


def refuse_masked(value: object, what: str) -> None:
    """Refuses an array, or a list with one, of which some values are masked: beneath the mask is no value."""
    arrays = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else (value,)
    for array in arrays:
        if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
            raise InvalidVector(
                f"{what} has {np.ma.getmaskarray(array).sum()} masked values; fill or compress it first"
            )


def as_float32(value: ArrayLike, what: str) -> NDArray[np.float32]:
    """`value` as C-contiguous float32 of whatever shape it has."""
    if (
        type(value) is np.ndarray
        and value.dtype == np.float32
        and value.flags.c_contiguous
        and value.flags.aligned
    ):
        return value
    refuse_masked(value, what)
    try:
        array: NDArray[Any] = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise InvalidVector(
            f"{what} cannot be read as an array of numbers ({error}); give an array of float32"
        ) from error
    kind = array.dtype.kind
    if kind not in "fiu":
        raise InvalidVector(
            f"{what} has the dtype {array.dtype}; give float32 (integers and other real floats are converted)"
        )
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=np.float32).reshape(array.shape)
    if array.dtype.itemsize > 4 and kind == "f":
        overflowed = np.isinf(converted) & np.isfinite(array)
        if overflowed.any():
            at = np.argwhere(overflowed)[0]
            raise InvalidVector(
                f"{what} holds {array[tuple(at)]} at index {at.tolist()}, beyond what float32 holds (3.4e38)"
            )
    return converted
