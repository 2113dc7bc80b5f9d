"""What a store did while it was open, kept beside it for whoever looks at it later.

No memory depends on this file: it is not synced, and one that is damaged reads as one that is missing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ._regular import other_than_file
from .migration import MigrationReport
from .policy import TIERS

NAME = "activity.json"

# Of each tier, what only the process knows that did the recalls.
_KEPT = ("recalls", "hits", "hit_share", "cache_hit_rate", "truncated", "p50_us", "p99_us")


def save(folder: Path, at: float, tiers: dict[str, Any], migrations: Iterable[MigrationReport]) -> None:
    """Writes it in place of the last; a disk that does not take it is no trouble."""
    told = {
        "at": at,
        "tiers": {tier: {name: tiers[tier][name] for name in _KEPT} for tier in TIERS},
        "migrations": [asdict(report) for report in migrations],
    }
    if other_than_file(folder / NAME):
        return
    with contextlib.suppress(OSError):
        (folder / NAME).write_text(json.dumps(told))  # torn by a kill: as good as none


def load(folder: Path) -> dict[str, Any] | None:
    """What the last process that wrote to the store left; None when there is nothing that can be read."""
    if other_than_file(folder / NAME):
        return None
    try:
        told = json.loads((folder / NAME).read_text())
        tiers = {tier: {name: told["tiers"][tier][name] for name in _KEPT} for tier in TIERS}
        migrations = [asdict(MigrationReport(**report)) for report in told["migrations"]]
        return {"at": float(told["at"]), "tiers": tiers, "migrations": migrations}
    except (OSError, ValueError, KeyError, TypeError):
        return None
