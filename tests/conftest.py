"""What many tests start from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import engram
from tests.tiered import Time

# What a shell starts in the background ignores SIGINT, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run and machine, however slow; ENGRAM_EXPLORE=1 draws new ones and tells how to
# repeat them.
settings.register_profile(
    "engram",
    derandomize=not os.environ.get("ENGRAM_EXPLORE"),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("engram")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store can be created."""
    return tmp_path / "memories"


@pytest.fixture
def clock() -> Time:
    """A clock that goes when told."""
    return Time()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def memory(folder: Path) -> Iterator[engram.MemoryStore]:
    """A new store of 8 dimensions under l2."""
    with engram.open(folder, dim=8, metric="l2", fsync="never") as store:
        yield store
