"""The counters of a store, as `engram stats` prints them below its tiers."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from .tiers import size_of, time_of

_ELSEWHERE = ("tiers", "before")  # in tables of their own
# Of the hot tier: what the table of tiers has (of recalls, as the last process left it), and pages, of which
# it reads none.
_IN_TABLE = (
    *("memories", "segments", "ram_bytes", "disk_bytes", "recalls", "hits", "p50_us", "p99_us"),
    *("pages_read", "pages_hit"),
)
_BYTES = ("bytes", "budget")  # parts of the names of sizes


def figure_table(figures: dict[str, Any]) -> Table:
    """A line a figure, part by part."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in figures.items():
        if name in _ELSEWHERE:
            continue
        if name == "recall_at_10":
            table.add_row(name, _recall(value))
        elif isinstance(value, dict):
            table.add_row(f"[bold]{name}[/bold]", "")
            for key, inner in value.items():
                if not isinstance(inner, list) and not (name == "hot" and key in _IN_TABLE):
                    table.add_row(f"  {key}", Text(_written(key, inner)))
        else:
            table.add_row(name, Text(_written(name, value)))
    return table


def _written(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return _latency(value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if not isinstance(value, (int, float)):
        return str(value)
    if name.endswith("_us"):
        return time_of(value)
    if any(part in name for part in _BYTES):
        return size_of(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _latency(seen: dict[str, Any]) -> str:
    if not seen["count"]:
        return "-"
    times = ", ".join(f"{name} {time_of(seen[f'{name}_us'])}" for name in ("p50", "p99", "max"))
    return f"{times} ({seen['count']:,} times)"


def _recall(measured: dict[str, Any]) -> str:
    if measured["recall"] is None:
        return "not measured"
    return (
        f"{measured['recall']:.3f}; between {measured['low']:.3f} and {measured['high']:.3f} with 95 % "
        f"confidence ({measured['cues']:,} cues)"
    )
