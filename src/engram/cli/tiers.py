"""The table of tiers and the last migrations, as `engram stats` prints them."""

from __future__ import annotations

import datetime
from typing import Any

from rich.table import Table

from engram.policy import TIERS

SHOWN = 5  # migrations

# Those that only the process knows which does the recalls: for any other, as that process left them.
_DONE = ("recalls", "hit_share", "cache_hit_rate", "p50_us", "p99_us")


def tier_table(figures: dict[str, Any]) -> Table:
    """One line a tier."""
    table = Table(title="tiers", title_justify="left", box=None, title_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for heading in ("memories", "segments", "RAM", "disk", "activation", "recalls", "hits from here",
                    "page cache hits", "P50", "P99"):  # fmt: skip
        table.add_column(heading, justify="right")
    for tier in TIERS:
        here = figures["tiers"][tier]
        did = _did(figures, tier)
        table.add_row(
            tier,
            f"{here['memories']:,}",
            f"{here['segments']:,}" if tier != "hot" else "-",
            _size(here["ram_bytes"]),
            _size(here["disk_bytes"]),
            _spread(here["activation"]),
            f"{did['recalls']:,}",
            _percent(did["hit_share"]),
            _percent(did["cache_hit_rate"]),
            _time(did["p50_us"]),
            _time(did["p99_us"]),
        )
    return table


def migration_table(figures: dict[str, Any]) -> Table | None:
    """One line a migration, the last first; None when there was none."""
    last = _last_migrations(figures)
    if not last:
        return None
    table = Table(
        title="last migrations", title_justify="left", box=None, title_style="bold", padding=(0, 2, 0, 0)
    )
    for heading in ("when", "why"):
        table.add_column(heading)
    table.add_column("moved", overflow="fold")
    for heading in ("rewritten", "written", "took"):
        table.add_column(heading, justify="right")
    table.add_column("trouble", overflow="fold")
    for report in reversed(last[-SHOWN:]):
        table.add_row(
            _when(report["at"]),
            report["reason"],
            ", ".join(f"{way} {count:,}" for way, count in report["moved"].items()) or "nothing",
            f"{report['rewritten']:,}",
            _size(report["bytes_written"]),
            f"{report['seconds']:.2f} s",
            _trouble(report),
        )
    return table


def _did(figures: dict[str, Any], tier: str) -> dict[str, Any]:
    own: dict[str, Any] = figures["tiers"][tier]
    before = figures.get("before")
    if before is None or any(figures["tiers"][each]["recalls"] for each in TIERS):
        return own
    kept: dict[str, Any] = before["tiers"][tier]
    return kept


def _last_migrations(figures: dict[str, Any]) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = figures["migrations"]["last"]
    before = figures.get("before")
    return own or (before["migrations"] if before is not None else [])


def _trouble(report: dict[str, Any]) -> str:
    parts = [report["error"]] if report["error"] else []
    parts += [f"{report[name]:,} {name}" for name in ("unknown", "refused") if report[name]]
    return "; ".join(parts)


def _when(seconds: float) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds).isoformat(" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a clock of the program's own
        return f"{seconds:,.0f} s"


def _spread(activation: dict[str, float] | None) -> str:
    if activation is None:
        return "-"
    return f"{activation['p10']:.3g} .. {activation['median']:.3g} .. {activation['p90']:.3g}"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _time(microseconds: float | None) -> str:
    if microseconds is None:
        return "-"
    return f"{microseconds:,.0f} us" if microseconds < 10_000 else f"{microseconds / 1000:,.1f} ms"
