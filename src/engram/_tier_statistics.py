"""What the tiers hold, take and answer, for `MemoryStore.stats`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .policy import TIERS, Population, Tier

Counters = dict[str, float]

_SPREAD = {"least": 0, "p10": 10, "median": 50, "p90": 90, "most": 100}  # percentiles


def tiers_of(native: dict[str, Counters], population: Population, path: Path | None) -> dict[str, Any]:
    """One entry a tier; `native` is what the native store counts of each."""
    answered = sum(native[tier]["hits"] for tier in TIERS)
    return {
        tier: _one(native[tier], population, Tier(number), answered)
        | {"disk_bytes": _disk_bytes(tier, native[tier], path)}
        for number, tier in enumerate(TIERS)
    }


def _one(counted: Counters, population: Population, tier: Tier, answered: float) -> dict[str, Any]:
    return {
        "memories": int(counted["memories"]),
        "segments": int(counted["segments"]),
        "ram_bytes": int(counted["ram_bytes"]),
        "activation": _spread(population.activation[population.tier == tier]),
        "recalls": int(counted["recalls"]),
        "hits": int(counted["hits"]),
        # Of all that recalls brought back, what came from here.
        "hit_share": _share(counted["hits"], answered),
        "cache_hit_rate": _cache_hit_rate(counted, tier),
        "truncated": int(counted["truncated"]),
        # Hits left out of recalls, because the page that holds their id is damaged.
        "unnamed": int(counted["unnamed"]),
        "p50_us": counted["p50_us"] if counted["recalls"] else None,
        "p99_us": counted["p99_us"] if counted["recalls"] else None,
    }


def _spread(activations: Any) -> dict[str, float] | None:
    """Of an array that is needed for nothing else afterwards."""
    if not len(activations):
        return None
    values = np.percentile(activations, list(_SPREAD.values()), overwrite_input=True)
    return {name: float(value) for name, value in zip(_SPREAD, values, strict=True)}


def _cache_hit_rate(counted: Counters, tier: Tier) -> float | None:
    """Of the pages the cold tier needed, what was in the page cache; warm segments are mapped, past it."""
    if tier != Tier.COLD:
        return None
    return _share(counted["pages_hit"], counted["pages_read"] + counted["pages_hit"])


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _disk_bytes(tier: str, counted: Counters, path: Path | None) -> int:
    """Of the hot tier: what its checkpoint takes."""
    if tier != "hot" or path is None:
        return int(counted["disk_bytes"])
    total = 0
    for file in path.glob("hot-*"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:  # the next checkpoint has just taken its place
            continue
    return total
