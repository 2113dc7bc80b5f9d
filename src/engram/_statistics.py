"""What `MemoryStore.stats` tells, gathered from the parts of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import _activity, _native
from ._parts import Parts
from ._tier_statistics import tiers_of
from .config import Config
from .policy import TIERS

_MICROSECONDS = 1e-3  # from nanoseconds
_MEASURED = ("_us", "_seconds")  # how the names of other figures than counts end


def gather(parts: Parts, config: Config, path: Path | None) -> dict[str, Any]:
    """Counters, latencies and the measured recall, by part."""
    native, indexer = parts.native, parts.indexer
    indexer.revive()
    histograms = native.histograms()
    depth = histograms.pop("queue_depth")
    counted = native.stats()
    stats: dict[str, Any] = {
        "memories": len(native),
        "dim": native.dim,
        "metric": native.metric,
        **{part: _counted(counters) for part, counters in counted.items() if part not in TIERS[1:]},
        "tiers": tiers_of(counted, parts.migrator.population(), path),
        "catalog": {"applied_lsn": parts.catalog.applied},
        "checkpoint": {
            "lsn": native.checkpoint_lsn,
            "replay_bytes": parts.checkpoints.replay_bytes(),
        },
        "indexer": {
            "mode": "none" if parts.read_only else config.indexing,
            "alive": indexer.alive,
            "batches": indexer.batches,
            "commits": indexer.commits,
            "failures": indexer.failures,
            "restarts": indexer.restarts,
            "set_aside": native.aside,
            "trouble": indexer.trouble(),
        },
        "migrations": parts.migrator.statistics(),
        "before": None if path is None else _activity.load(path),
        "latency": {name: _latency(each) for name, each in histograms.items()},
        "recall_at_10": _recall(parts),
    }
    stats["queue"]["depth_p50"] = round(depth.quantile(0.5))
    stats["queue"]["depth_p99"] = round(depth.quantile(0.99))
    return stats


def _counted(counters: dict[str, float]) -> dict[str, float]:
    """As ints, what counts something: natively all are floats."""
    return {name: value if name.endswith(_MEASURED) else int(value) for name, value in counters.items()}


def _latency(seen: _native.Histogram) -> dict[str, float]:
    return {
        "count": seen.count,
        "mean_us": seen.mean * _MICROSECONDS,
        "p50_us": seen.quantile(0.5) * _MICROSECONDS,
        "p95_us": seen.quantile(0.95) * _MICROSECONDS,
        "p99_us": seen.quantile(0.99) * _MICROSECONDS,
        "max_us": seen.most * _MICROSECONDS,
    }


def _recall(parts: Parts) -> dict[str, float | int | None]:
    cues, recall, low, high = parts.native.recall_estimate()
    return {
        "recall": recall if cues else None,
        "low": low,
        "high": high,
        "cues": cues,
        "seconds": parts.prober.seconds,
    }
