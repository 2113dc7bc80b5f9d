"""Where the harness keeps what it can use again, and where it looks for data."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def cache_folder() -> Path:
    """``benchmarks/.cache``, or what ENGRAM_BENCH_CACHE names."""
    folder = Path(os.environ.get("ENGRAM_BENCH_CACHE", HERE / ".cache"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def results_folder() -> Path:
    """``benchmarks/results``, or what ENGRAM_BENCH_RESULTS names."""
    folder = Path(os.environ.get("ENGRAM_BENCH_RESULTS", HERE / "results"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
