"""What `MemoryStore.stats` tells, gathered from the parts of a store."""

from __future__ import annotations

from typing import Any

from ._parts import Parts
from .config import Config


def gather(parts: Parts, config: Config) -> dict[str, Any]:
    """Counters by part."""
    native, indexer = parts.native, parts.indexer
    indexer.revive()
    return {
        "memories": len(native),
        "dim": native.dim,
        "metric": native.metric,
        **native.stats(),
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
            "trouble": indexer.trouble() or indexer.set_aside(),
        },
    }
