"""The result as JSON and as tables for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.metrics import TARGETS, Crossing, Point, at_recall
from benchmarks.ann.runner import Measured
from benchmarks.common.machine import version_of
from benchmarks.common.sheet import Sheet, missing_of, print_result

_FASTER = {
    "qps": True,
    "batch_1_qps": True,
    "batch_all_qps": True,
    "p50_us": False,
    "p95_us": False,
    "p99_us": False,
}


def result(dataset: Dataset, measured: list[Measured], head: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        **head,
        "numpy": version_of("numpy"),
        "dataset": dataset.about(),
        "engines": [_engine(one) for one in measured],
    }


def _engine(one: Measured) -> dict[str, Any]:
    if one.missing is not None:
        return {"engine": one.engine, "missing": one.missing, "version": one.version, "source": one.source}
    return {**vars(one), "at_recall": {f"{target:.2f}": _crossings(one, target) for target in TARGETS}}


def _crossings(one: Measured, target: float) -> dict[str, Any] | None:
    """Every figure where its own answers reach the target: a batch may find other neighbours than single
    queries. None when the single ones never get there; a figure whose own answers do not is None."""
    found: dict[str, Any] = {"bounds": []}
    for figure, more_is_better in _FASTER.items():
        quality = "batch_recall_10" if figure.startswith("batch") else "recall_10"
        points = [Point(point[quality], {figure: point[figure]}) for point in one.points]
        crossing: Crossing | None = at_recall(points, target, figure, more_is_better=more_is_better)
        found[figure] = None if crossing is None else crossing.value
        if crossing is not None and crossing.bound:
            found["bounds"].append(figure)
    return None if found["qps"] is None else found


def summary(content: dict[str, Any]) -> str:
    """What was measured, on what, in one line."""
    data, machine = content["dataset"], content["machine"]
    return (
        f"{data['name']}: {data['rows']:,} x {data['dim']} {data['metric']}, {data['queries']:,} queries; "
        f"{machine['cpu']}, {machine['cores']} cores, revision {machine['git_revision'][:10]}"
    )


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """Speed, resources, parameters."""
    present = [one for one in content["engines"] if one["missing"] is None]
    return [_speed(present), _resources(present), _parameters(present)]


def print_tables(content: dict[str, Any], console: Console) -> None:
    print_result(console, summary(content), sheets(content), missing_of(content))


def _speed(engines: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        "queries a second on one core, one at a time, where recall@10 reaches the target",
        [
            "engine",
            "0.90",
            "0.95",
            "0.99",
            "p50 us",
            "p95 us",
            "p99 us",
            "batch 1",
            "batch all",
            "most recall",
        ],
        caption="Latencies and batches (with 1 thread and with all) at 0.95. > : the fastest setting is "
        "already above the target. - : not reached.",
    )
    for one in sorted(engines, key=lambda e: -_value(e, "0.95", "qps")):
        at = one["at_recall"]["0.95"]
        sheet.rows.append(
            [
                f"{one['engine']} {one['version'].split('+')[0]}",
                *(_qps(one["at_recall"][target], "qps") for target in ("0.90", "0.95", "0.99")),
                *("-" if at is None else f"{at[name]:,.0f}" for name in ("p50_us", "p95_us", "p99_us")),
                _qps(at, "batch_1_qps"),
                _qps(at, "batch_all_qps"),
                f"{max((point['recall_10'] for point in one['points']), default=0.0):.4f}",
            ]
        )
    return sheet


def _resources(engines: list[dict[str, Any]]) -> Sheet:
    threads = {label for one in engines for label in one["builds"]} - {"1", "all"}
    labels = ["1", *sorted(threads, key=int), "all"]
    sheet = Sheet(
        "building, memory, disk",
        [
            "engine",
            "build, 1 thread s",
            *(f"build, {label} threads s" for label in labels[1:-1]),
            "build, all s",
            "memory MB",
            "disk MB",
            "load s",
            "recall@1",
            "recall@100",
        ],
        caption="Memory is what the process grew by from before loading to after its first searches. "
        "recall@1 and recall@100 at the first setting that reaches recall@10 = 0.95.",
    )
    for one in engines:
        reached = [point for point in one["points"] if point["recall_10"] >= 0.95]
        sheet.rows.append(
            [
                one["engine"],
                *(f"{one['builds'][label]:.1f}" if label in one["builds"] else "-" for label in labels),
                f"{one['memory_bytes'] / 1e6:,.0f}",
                f"{one['disk_bytes'] / 1e6:,.0f}",
                f"{one['load_seconds']:.2f}",
                *(
                    f"{reached[0][name]:.4f}" if reached and name in reached[0] else "-"
                    for name in ("recall_1", "recall_100")
                ),
            ]
        )
    return sheet


def _parameters(engines: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        "parameters, and whose recommendation they are",
        ["engine", "built with", "source"],
        wide=frozenset({"built with", "source"}),
    )
    for one in engines:
        built_with = ", ".join(f"{key} {value}" for key, value in one["parameters"].items())
        sheet.rows.append([one["engine"], f"{built_with} (swept: {one['search_parameter']})", one["source"]])
    return sheet


def _value(one: dict[str, Any], target: str, figure: str) -> float:
    at = one["at_recall"][target]
    return 0.0 if at is None else float(at[figure])


def _qps(at: dict[str, Any] | None, figure: str) -> str:
    if at is None or at[figure] is None:
        return "-"
    return f"{'>' if figure in at['bounds'] else ''}{at[figure]:,.0f}"


def comparison(before: dict[str, Any], after: dict[str, Any], reference: str) -> Sheet:
    """Two runs of one comparison: each engine's ratio to the reference, and how far the runs differ."""
    sheet = Sheet(
        f"queries a second at recall@10 = 0.95, as a multiple of {reference}'s, in two runs",
        ["engine", "run 1", "run 2", "difference"],
    )
    first, second = ({one["engine"]: one for one in run["engines"]} for run in (before, after))
    for engine in first:
        ratios = [_ratio(run, engine, reference) for run in (first, second)]
        if ratios[0] is not None and ratios[1] is not None:
            change = 100 * (ratios[1] / ratios[0] - 1)
            sheet.rows.append([engine, f"{ratios[0]:.3f}", f"{ratios[1]:.3f}", f"{change:+.1f} %"])
    return sheet


def _ratio(run: dict[str, dict[str, Any]], engine: str, reference: str) -> float | None:
    values = []
    for name in (engine, reference):
        if name not in run or run[name]["missing"] is not None:
            return None
        values.append(_value(run[name], "0.95", "qps"))
    return values[0] / values[1] if all(values) else None
