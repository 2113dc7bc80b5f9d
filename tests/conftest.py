"""What many tests start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import engram


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store can be created."""
    return tmp_path / "memories"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def memory(folder: Path) -> Iterator[engram.MemoryStore]:
    """A new store of 8 dimensions under l2."""
    with engram.open(folder, dim=8, metric="l2", fsync="never") as store:
        yield store
