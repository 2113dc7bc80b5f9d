"""The comparison: build or fetch every index, then measure all engines turn by turn.

Turns: for each round, for each point of the sweep, each engine measures that point once; the order of the
engines moves by one every turn. What the machine does meanwhile (clock, neighbours, heat) thus falls on all
alike, and a figure is the median of the rounds. The points that decide, those on either side of a recall at
which engines are compared, are measured in further rounds: their medians are of more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.adapters import ADAPTERS, Adapter
from benchmarks.ann.datasets import Dataset
from benchmarks.ann.metrics import FloatArray, around_targets, distances, median, recall, spread
from benchmarks.common.cache import BuiltCache
from benchmarks.common.installed import UnavailableError
from benchmarks.common.own import address, code_of
from benchmarks.common.progress import say, track
from benchmarks.common.worker import Worker, WorkerError

K = 10
_TARGET = "benchmarks.ann.worker:AnnWorker"
# A point beyond this recall is the last of its engine's sweep: the targets end at 0.99.
_ENOUGH = 0.9975
_BUILD_TIMEOUT = 4 * 3600.0
_TURN_TIMEOUT = 900.0


@dataclass(frozen=True)
class Plan:
    """What to measure: ``engines`` by name, of ``adapters``."""

    engines: list[str]
    rounds: int = 3
    target_rounds: int = 4  # more of them, of the points around the targets alone
    build_threads: tuple[int, ...] = (1, 0)  # 0: all
    rebuild: bool = False
    point_seconds: float = 20.0  # a point slower than this is measured with fewer queries
    adapters: Mapping[str, type[Adapter]] = field(default_factory=lambda: ADAPTERS)


@dataclass
class Measured:
    """One engine's raw figures."""

    engine: str
    missing: str | None = None  # why it could not be measured
    version: str = ""
    source: str = ""
    search_parameter: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    builds: dict[str, float] = field(default_factory=dict)  # "1" and "all" -> seconds
    disk_bytes: int = 0
    memory_bytes: int = 0
    load_seconds: float = 0.0
    points: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Live:
    """An engine whose process is waiting for the next turn."""

    measured: Measured
    worker: Worker
    sweep: list[Any]
    rounds: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    quality: dict[int, dict[str, float]] = field(default_factory=dict)


def run(plan: Plan, dataset: Dataset, log_folder: Path) -> list[Measured]:
    """Measure every engine of the plan; those that cannot be are in the result, with the reason."""
    base_file, query_file = dataset.files()
    truth = distances(dataset.metric, dataset.queries, dataset.base, dataset.neighbours)
    results: list[Measured] = []
    live: list[_Live] = []
    with ExitStack() as stack:
        for engine in plan.engines:
            measured = Measured(engine)
            results.append(measured)
            try:
                cache = _built(plan, dataset, base_file, measured, log_folder)
                worker = stack.enter_context(Worker(_TARGET, log_folder / f"{engine}.log"))
                live.append(_loaded(plan, dataset, query_file, measured, cache, worker))
            except (UnavailableError, WorkerError) as error:
                measured.missing = str(error)
                say(f"{engine}: missing: {error}")
        with tempfile.TemporaryDirectory() as scratch:
            _take_turns(plan, live, lambda answers: _quality(dataset, truth, answers), Path(scratch))
    return results


def _built(plan: Plan, dataset: Dataset, base_file: Path, measured: Measured, log_folder: Path) -> BuiltCache:
    """Have the index in the cache, and its build times in ``measured``."""
    kind = plan.adapters[measured.engine]
    adapter = kind(len(dataset.base), dataset.base.shape[1], dataset.metric)
    measured.source, measured.search_parameter = kind.source, kind.search_parameter
    measured.parameters = adapter.parameters()
    measured.version = _version(kind, log_folder)
    # The index that is searched is the one built by all threads, as people build them, unless one thread is
    # all that was asked for.
    wanted = sorted(plan.build_threads, key=lambda threads: threads == 0)
    cache = BuiltCache(
        "indexes",
        {
            "engine": measured.engine,
            "threads": wanted[-1],
            "version": measured.version,
            "parameters": measured.parameters,
            "metric": dataset.metric,
            "data": dataset.checksum,
            **code_of(kind, ADAPTERS),
        },
    )
    known = None if plan.rebuild else cache.get()
    built = known or {"seconds": {}, "disk_bytes": 0}
    for threads in wanted:
        label = "all" if threads == 0 else str(threads)
        if label in built["seconds"]:
            continue
        keep = threads == wanted[-1]
        say(f"{measured.engine}: building with {label} thread{'' if label == '1' else 's'}")
        with Worker(_TARGET, log_folder / f"{measured.engine}.log") as worker:
            answer = worker.call(
                "build",
                timeout=_BUILD_TIMEOUT,
                kind=address(kind),
                base=str(base_file),
                metric=dataset.metric,
                threads=threads,
                folder=str(cache.fresh_folder()) if keep else None,
            )
        built["seconds"][label] = answer["seconds"]
        built["disk_bytes"] = answer.get("disk_bytes", built["disk_bytes"])
        if keep or known:
            cache.put(built)
    measured.builds, measured.disk_bytes = built["seconds"], built["disk_bytes"]
    return cache


def _version(kind: type[Adapter], log_folder: Path) -> str:
    """Asked in a process of its own: importing some libraries ends the process on some machines."""
    with Worker("benchmarks.ann.worker:VersionWorker", log_folder / f"{kind.name}.log") as worker:
        try:
            return str(worker.call("version", kind=address(kind)))
        except WorkerError as error:
            raise UnavailableError(str(error).removeprefix("UnavailableError: ")) from None


def _loaded(
    plan: Plan, dataset: Dataset, query_file: Path, measured: Measured, cache: BuiltCache, worker: Worker
) -> _Live:
    kind = plan.adapters[measured.engine]
    try:
        answer = worker.call(
            "load",
            kind=address(kind),
            rows=len(dataset.base),
            queries=str(query_file),
            metric=dataset.metric,
            folder=str(cache.folder),
        )
    except WorkerError:
        worker.kill()  # its memory is wanted by the others
        raise
    measured.load_seconds, measured.memory_bytes = answer["load_seconds"], answer["memory_bytes"]
    adapter = kind(len(dataset.base), dataset.base.shape[1], dataset.metric)
    return _Live(measured, worker, list(adapter.sweep()))


def _take_turns(
    plan: Plan, live: list[_Live], judge: Callable[[dict[str, Path]], dict[str, float]], scratch: Path
) -> None:
    for round_number in range(plan.rounds + plan.target_rounds):
        choose = _all_points if round_number < plan.rounds else _around_targets
        turns = max((len(choose(one)) for one in live), default=0)
        name = f"round {round_number + 1} of {plan.rounds + plan.target_rounds}"
        for turn in track(range(turns), name):
            start = (round_number + turn) % max(1, len(live))
            for one in live[start:] + live[:start]:
                points = choose(one)  # fewer than there were, if one has reached all that is asked
                if turn < len(points) and one.measured.missing is None:
                    _one_turn(plan, one, round_number, points[turn], judge, scratch)
    for one in live:
        one.measured.points = _points(one)


def _all_points(one: _Live) -> list[int]:
    return list(range(len(one.sweep)))


def _around_targets(one: _Live) -> list[int]:
    return around_targets([quality["recall_10"] for _, quality in sorted(one.quality.items())])


def _one_turn(
    plan: Plan,
    one: _Live,
    round_number: int,
    turn: int,
    judge: Callable[[dict[str, Path]], dict[str, float]],
    scratch: Path,
) -> None:
    first = round_number == 0
    figures = one.rounds.setdefault(turn, {})
    # A slow point is measured with as many queries as fit into its time, the same ones in every round.
    count = int(figures["queries"][0]) if figures else None
    answers = {name: scratch / f"{one.measured.engine}-{name}.npy" for name in ("single", "batch", "deep")}
    files = {name: str(file) if first else None for name, file in answers.items()}

    def ask(op: str, **arguments: Any) -> dict[str, float]:
        answer: dict[str, float] = one.worker.call(
            op, timeout=_TURN_TIMEOUT, value=one.sweep[turn], count=count, **arguments
        )
        return answer

    try:
        single = ask("one_at_a_time", k=K, seconds=plan.point_seconds, answers=files["single"])
        count = int(single["queries"])
        alone = ask("batched", k=K, threads=1, answers=None)
        batch = ask("batched", k=K, threads=0, answers=files["batch"])
        if first:
            ask("batched", k=100, threads=0, answers=files["deep"])
    except WorkerError as error:
        one.measured.missing = f"failed at {one.measured.search_parameter} = {one.sweep[turn]}: {error}"
        say(f"{one.measured.engine}: {one.measured.missing}")
        return
    measured = {**single, "batch_1_qps": alone["qps"], "batch_all_qps": batch["qps"]}
    for name, figure in measured.items():
        figures.setdefault(name, []).append(figure)
    if first:
        one.quality[turn] = judge(answers)
        if one.quality[turn]["recall_10"] >= _ENOUGH:
            del one.sweep[turn + 1 :]


def _quality(dataset: Dataset, truth: FloatArray, answers: dict[str, Path]) -> dict[str, float]:
    """recall@1 and @10 of the searches that were timed, @100 of a search for 100 at the same setting."""
    result: dict[str, float] = {}
    for name, depths in (("single", (1, K)), ("batch", (K,)), ("deep", (100,))):
        found = np.load(answers[name])
        found_distances = distances(dataset.metric, dataset.queries[: len(found)], dataset.base, found)
        for depth in depths:
            if depth <= truth.shape[1]:
                key = f"batch_recall_{depth}" if name == "batch" else f"recall_{depth}"
                result[key] = recall(found, found_distances, truth[: len(found)], depth)
    return result


def _points(one: _Live) -> list[dict[str, Any]]:
    points = []
    for turn, quality in sorted(one.quality.items()):
        figures = one.rounds[turn]
        point: dict[str, Any] = {"value": one.sweep[turn], **quality}
        for name, values in figures.items():
            point[name] = median(values)
        point["qps_rounds"] = figures["qps"]
        point["qps_spread"] = spread(figures["qps"])
        points.append(point)
    return points
