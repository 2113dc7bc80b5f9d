"""The result as JSON and as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.report import summary
from benchmarks.common.sheet import Sheet, missing_of, print_result
from benchmarks.durable.runner import Measured


def result(dataset: Dataset, measured: list[Measured], head: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        **head,
        "dataset": dataset.about(),
        "stores": [vars(one) for one in measured],
    }


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """Inserts beside their syncs, recalls beside their quality."""
    present = [one for one in content["stores"] if one["missing"] is None]
    return [_inserts(present), _recalls(present), _ways(present)]


def print_tables(content: dict[str, Any], console: Console) -> None:
    print_result(console, summary(content), sheets(content), missing_of(content))


def _inserts(stores: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        "inserts, and the sync calls (fsync, fdatasync, ...) each really made",
        [
            "store",
            "one by one /s",
            "p50 us",
            "p99 us",
            "syncs each",
            "batched /s",
            "syncs each",
            "rows",
            "index s",
        ],
        caption="rows: how many were stored before time was up. index: what follows a load before searching.",
    )
    for one in stores:
        bulk = one["bulk"]
        sheet.rows.append(
            [
                f"{one['store']} {one['version'].split('+')[0]}",
                f"{one['singles']['per_second']:,.0f}",
                f"{one['singles']['p50_us']:,.0f}",
                f"{one['singles']['p99_us']:,.0f}",
                _syncs(one, "singles"),
                f"{bulk['rows'] / bulk['seconds']:,.0f}",
                _syncs(one, "batches"),
                f"{bulk['rows']:,}",
                f"{bulk['finish_seconds']:.1f}",
            ]
        )
    return sheet


def _syncs(one: dict[str, Any], stretch: str) -> str:
    counted = one["syncs"].get(stretch)
    if counted is None:
        return "?"
    flags = ("+O_SYNC" if counted["synchronous_files"] else "") + ("+uring" if counted["io_uring"] else "")
    return f"{counted['per_insert']:.3g}{flags}"


def _recalls(stores: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        "recall of 10, one at a time, after reopening",
        [
            "store",
            "recall@10",
            "p50 us",
            "p95 us",
            "p99 us",
            "open s",
            "first answer s",
            "memory MB",
            "disk MB",
        ],
    )
    for one in stores:
        reopened, recalls = one["reopened"], one["recalls"]
        sheet.rows.append(
            [
                one["store"],
                f"{recalls['recall_10']:.4f}",
                *(f"{recalls[name]:,.0f}" for name in ("p50_us", "p95_us", "p99_us")),
                f"{reopened['open_seconds']:.2f}",
                f"{reopened['first_answer_seconds']:.2f}",
                f"{reopened['memory_bytes'] / 1e6:,.0f}",
                f"{reopened['disk_bytes'] / 1e6:,.0f}",
            ]
        )
    return sheet


def _ways(stores: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        "what is promised when an insert returns, and how each was used",
        ["store", "promise", "used as in"],
        wide=frozenset({"promise", "used as in"}),
    )
    for one in stores:
        used = ", ".join(f"{key} {value}" for key, value in one["parameters"].items())
        sheet.rows.append([one["store"], one["promise"], f"{one['source']}{'; ' if used else ''}{used}"])
    return sheet
