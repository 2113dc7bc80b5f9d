"""Vectors for a machine that has none: a mixture on a curved sheet of few dimensions, as real embeddings are.

Uniform or Gaussian noise in 128 dimensions has no near neighbours worth finding; these vectors lie near a
smooth image of 16 hidden dimensions, so that the local intrinsic dimension is about that of SIFT.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HIDDEN = 16
_CLUSTERS = 200


def synthetic(
    rows: int, queries: int, dim: int = 128, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(base, queries) from one distribution, the same ones for the same arguments."""
    random = np.random.default_rng(seed)
    centres = random.normal(0.0, 1.0, (_CLUSTERS, _HIDDEN))
    first = random.normal(0.0, 1.0 / np.sqrt(_HIDDEN), (_HIDDEN, 2 * dim))
    second = random.normal(0.0, 1.0 / np.sqrt(2 * dim), (2 * dim, dim))

    def sample(count: int) -> NDArray[np.float32]:
        hidden = centres[random.integers(0, _CLUSTERS, count)] + random.normal(0.0, 0.6, (count, _HIDDEN))
        sheet = np.tanh(hidden @ first) @ second
        noisy: NDArray[np.float32] = (sheet + random.normal(0.0, 0.02, sheet.shape)).astype(np.float32)
        return noisy

    return sample(rows), sample(queries)
