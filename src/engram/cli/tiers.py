"""The table of tiers and the last migrations, as `engram stats` prints them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from engram.policy import TIERS

SHOWN = 5  # migrations

# By what it is called: of what the tier holds, and of what it did. Of the latter only the process knows that
# does the recalls: for any other, as that process left it.

_ROWS: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "memories": lambda here, did: f"{here['memories']:,}",
    "segments": lambda here, did: f"{here['segments']:,}" if here["segments"] else "-",
    "RAM": lambda here, did: size_of(here["ram_bytes"]),
    "disk": lambda here, did: size_of(here["disk_bytes"]),
    "activation, 10 %": lambda here, did: _activation(here, "p10"),
    "activation, 50 %": lambda here, did: _activation(here, "median"),
    "activation, 90 %": lambda here, did: _activation(here, "p90"),
    "recalls": lambda here, did: f"{did['recalls']:,}",
    "hits from here": lambda here, did: _percent(did["hit_share"]),
    "page cache hits": lambda here, did: _percent(did["cache_hit_rate"]),
    "recall, p50": lambda here, did: time_of(did["p50_us"]),
    "recall, p99": lambda here, did: time_of(did["p99_us"]),
}


def tier_table(figures: dict[str, Any]) -> Table:
    """One column a tier: it fits a terminal of 80 columns."""
    table = _titled("tiers")
    table.add_column("")
    for tier in TIERS:
        table.add_column(tier, justify="right")
    for name, written in _ROWS.items():
        table.add_row(name, *(written(figures["tiers"][tier], _did(figures, tier)) for tier in TIERS))
    return table


def migration_table(figures: dict[str, Any]) -> Table | None:
    """One line a migration, the last first; None when there was none."""
    last = _last_migrations(figures)
    if not last:
        return None
    table = _titled("last migrations")
    for heading in ("when", "why"):
        table.add_column(heading)
    for heading in ("took", "written"):
        table.add_column(heading, justify="right")
    table.add_column("moved", overflow="fold")
    for report in reversed(last[-SHOWN:]):
        table.add_row(
            _when(report["at"]),
            report["reason"],
            f"{report['seconds']:.2f} s",
            size_of(report["bytes_written"]),
            Text("\n".join(_happened(report))),
        )
    return table


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, title_style="bold", padding=(0, 2, 0, 0))


def _happened(report: dict[str, Any]) -> Iterator[str]:
    yield from (f"{way} {count:,}" for way, count in report["moved"].items())
    if not report["moved"]:
        yield "nothing"
    if report["rewritten"]:
        yield f"{report['rewritten']:,} segments rewritten"
    yield from (f"{report[name]:,} {name}" for name in ("unknown", "refused") if report[name])
    if report["error"]:
        yield report["error"]


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


def _when(seconds: float) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds).isoformat(" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a clock of the program's own
        return f"{seconds:,.0f} s"


def _activation(here: dict[str, Any], which: str) -> str:
    return "-" if here["activation"] is None else f"{here['activation'][which]:.3g}"


def size_of(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def time_of(microseconds: float | None) -> str:
    """A time as people read it."""
    if microseconds is None:
        return "-"
    if microseconds < 10:
        return f"{microseconds:.1f} us"
    return f"{microseconds:,.0f} us" if microseconds < 10_000 else f"{microseconds / 1000:,.1f} ms"
