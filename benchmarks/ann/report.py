"""The result as JSON and as tables for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.metrics import TARGETS, Crossing, Point, at_recall
from benchmarks.ann.runner import Measured
from benchmarks.common.machine import describe, version_of

_FASTER = {
    "qps": True,
    "batch_1_qps": True,
    "batch_all_qps": True,
    "p50_us": False,
    "p95_us": False,
    "p99_us": False,
}


def result(dataset: Dataset, measured: list[Measured], command: str) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "command": command,
        "machine": describe(),
        "numpy": version_of("numpy"),
        "dataset": {
            "name": dataset.name,
            "metric": dataset.metric,
            "rows": len(dataset.base),
            "queries": len(dataset.queries),
            "dim": dataset.base.shape[1],
            "checksum": dataset.checksum,
        },
        "engines": [_engine(one) for one in measured],
    }


def _engine(one: Measured) -> dict[str, Any]:
    if one.missing is not None:
        return {"engine": one.engine, "missing": one.missing, "version": one.version, "source": one.source}
    return {**vars(one), "at_recall": {f"{target:.2f}": _crossings(one, target) for target in TARGETS}}


def _crossings(one: Measured, target: float) -> dict[str, Any] | None:
    points = [Point(point["recall_10"], {name: point[name] for name in _FASTER}) for point in one.points]
    found: dict[str, Any] = {}
    for figure, more_is_better in _FASTER.items():
        crossing: Crossing | None = at_recall(points, target, figure, more_is_better=more_is_better)
        if crossing is None:
            return None
        found[figure] = crossing.value
        found["bound"] = crossing.bound or found.get("bound", False)
    return found


def write_json(content: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")


def print_tables(content: dict[str, Any], console: Console) -> None:
    """Speed, resources, the best recall, and what is missing."""
    data, machine = content["dataset"], content["machine"]
    console.print(
        f"\n[bold]{data['name']}[/]: {data['rows']:,} x {data['dim']} {data['metric']}, "
        f"{data['queries']:,} queries, k = 10; {machine['cpu']}, {machine['cores']} cores, "
        f"revision {machine['git_revision'][:10]}"
    )
    present = [one for one in content["engines"] if "missing" not in one or one["missing"] is None]
    console.print(_speed(present))
    console.print(_resources(present))
    console.print(_parameters(present))
    for one in content["engines"]:
        if one.get("missing"):
            console.print(f"[yellow]missing[/] {one['engine']}: {one['missing']}", highlight=False)


def _speed(engines: list[dict[str, Any]]) -> Table:
    table = Table(title="queries a second on one core, one at a time, where recall@10 reaches the target")
    table.add_column("engine")
    for heading in (
        "0.90",
        "0.95",
        "0.99",
        "p50 us",
        "p95 us",
        "p99 us",
        "batch 1",
        "batch all",
        "most recall",
    ):
        table.add_column(heading, justify="right")
    for one in sorted(engines, key=lambda e: -_value(e, "0.95", "qps")):
        at = one["at_recall"]["0.95"]
        table.add_row(
            f"{one['engine']} {one['version'].split('+')[0]}",
            *(_qps(one["at_recall"][target], "qps") for target in ("0.90", "0.95", "0.99")),
            *("-" if at is None else f"{at[name]:,.0f}" for name in ("p50_us", "p95_us", "p99_us")),
            _qps(at, "batch_1_qps"),
            _qps(at, "batch_all_qps"),
            f"{max((point['recall_10'] for point in one['points']), default=0.0):.4f}",
        )
    table.caption = (
        "latencies and batches at 0.95; > : the fastest setting is already above the target; - : not reached"
    )
    return table


def _resources(engines: list[dict[str, Any]]) -> Table:
    table = Table(title="build, memory, disk")
    table.add_column("engine")
    for heading in ("build 1 thr s", "build all s", "memory MB", "disk MB", "load s"):
        table.add_column(heading, justify="right")
    for one in engines:
        table.add_row(
            one["engine"],
            *(f"{one['builds'][label]:.1f}" if label in one["builds"] else "-" for label in ("1", "all")),
            f"{one['memory_bytes'] / 1e6:,.0f}",
            f"{one['disk_bytes'] / 1e6:,.0f}",
            f"{one['load_seconds']:.2f}",
        )
    return table


def _parameters(engines: list[dict[str, Any]]) -> Table:
    table = Table(title="parameters, and whose they are")
    table.add_column("engine", no_wrap=True)
    table.add_column("built with")
    table.add_column("source", overflow="fold")
    for one in engines:
        built_with = ", ".join(f"{key} {value}" for key, value in one["parameters"].items())
        table.add_row(one["engine"], f"{built_with} (swept: {one['search_parameter']})", one["source"])
    return table


def _value(one: dict[str, Any], target: str, figure: str) -> float:
    at = one["at_recall"][target]
    return 0.0 if at is None else float(at[figure])


def _qps(at: dict[str, Any] | None, figure: str) -> str:
    if at is None:
        return "-"
    return f"{'>' if at['bound'] else ''}{at[figure]:,.0f}"


def print_comparison(before: dict[str, Any], after: dict[str, Any], console: Console, reference: str) -> None:
    """Two runs of one comparison: each engine's ratio to the reference, and how far the runs differ."""
    table = Table(title=f"queries a second at recall@10 = 0.95, as a multiple of {reference}'s")
    for heading in ("engine", "run 1", "run 2", "difference"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    first, second = ({one["engine"]: one for one in run["engines"]} for run in (before, after))
    for engine in first:
        ratios = []
        for run in (first, second):
            if any(run.get(name, {}).get("missing", "not in this run") for name in (engine, reference)):
                continue
            own, its = _value(run[engine], "0.95", "qps"), _value(run[reference], "0.95", "qps")
            if own and its:
                ratios.append(own / its)
        if len(ratios) == 2:
            change = ratios[1] / ratios[0] - 1
            table.add_row(engine, f"{ratios[0]:.3f}", f"{ratios[1]:.3f}", f"{100 * change:+.1f} %")
    console.print(table)
