"""The result as JSON and as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ann.datasets import Dataset
from benchmarks.common.machine import describe
from benchmarks.durable.runner import Measured


def result(dataset: Dataset, measured: list[Measured], command: str) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "command": command,
        "machine": describe(),
        "dataset": {
            "name": dataset.name,
            "metric": dataset.metric,
            "rows": len(dataset.base),
            "queries": len(dataset.queries),
            "dim": dataset.base.shape[1],
            "checksum": dataset.checksum,
        },
        "stores": [vars(one) for one in measured],
    }


def print_tables(content: dict[str, Any], console: Console) -> None:
    """Inserts beside their syncs, recalls beside their quality, and what is missing."""
    data = content["dataset"]
    console.print(
        f"\n[bold]{data['name']}[/]: {data['rows']:,} x {data['dim']} {data['metric']}", highlight=False
    )
    present = [one for one in content["stores"] if one["missing"] is None]
    console.print(_inserts(present))
    console.print(_recalls(present))
    for one in content["stores"]:
        if one["missing"] is not None:
            console.print(f"[yellow]missing[/] {one['store']}: {one['missing']}", highlight=False)


def _inserts(stores: list[dict[str, Any]]) -> Table:
    table = Table(title="inserts, and the sync calls (fsync, fdatasync, ...) each really made")
    table.add_column("store", no_wrap=True)
    for heading in (
        "one by one /s",
        "p50 us",
        "p99 us",
        "syncs each",
        "batched /s",
        "syncs each",
        "rows",
        "index s",
    ):
        table.add_column(heading, justify="right")
    table.add_column("promised when an insert returns")
    for one in stores:
        bulk = one["bulk"]
        table.add_row(
            f"{one['store']} {one['version'].split('+')[0]}",
            f"{one['singles']['per_second']:,.0f}",
            f"{one['singles']['p50_us']:,.0f}",
            f"{one['singles']['p99_us']:,.0f}",
            _syncs(one, "singles"),
            f"{bulk['rows'] / bulk['seconds']:,.0f}",
            _syncs(one, "batches"),
            f"{bulk['rows']:,}",
            f"{bulk['finish_seconds']:.1f}",
            one["promise"],
        )
    return table


def _syncs(one: dict[str, Any], stretch: str) -> str:
    counted = one["syncs"].get(stretch)
    if counted is None:
        return "?"
    flags = ("+O_SYNC" if counted["synchronous_files"] else "") + ("+uring" if counted["io_uring"] else "")
    return f"{counted['per_insert']:.4g}{flags}"


def _recalls(stores: list[dict[str, Any]]) -> Table:
    table = Table(title="recall of 10, one at a time, after reopening")
    table.add_column("store", no_wrap=True)
    for heading in (
        "recall@10",
        "p50 us",
        "p95 us",
        "p99 us",
        "open s",
        "first answer s",
        "memory MB",
        "disk MB",
    ):
        table.add_column(heading, justify="right")
    for one in stores:
        reopened, recalls = one["reopened"], one["recalls"]
        table.add_row(
            one["store"],
            f"{recalls['recall_10']:.4f}",
            *(f"{recalls[name]:,.0f}" for name in ("p50_us", "p95_us", "p99_us")),
            f"{reopened['open_seconds']:.2f}",
            f"{reopened['first_answer_seconds']:.2f}",
            f"{reopened['memory_bytes'] / 1e6:,.0f}",
            f"{reopened['disk_bytes'] / 1e6:,.0f}",
        )
    return table
