"""Each engine under each filter: how many queries a second at the least breadth that finds enough."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.groundtruth import exact
from benchmarks.ann.metrics import FloatArray, distances, recall
from benchmarks.common.installed import UnavailableError
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError
from benchmarks.filter.cases import Case, cases

K = 10
ENOUGH = 0.95
_TARGET = "benchmarks.filter.worker:FilterWorker"


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    engines: list[str]
    shares: tuple[float, ...] = (0.001, 0.01, 0.1, 0.5)
    asked: int = 300
    rounds: int = 3


@dataclass
class Measured:
    """One engine."""

    engine: str
    missing: str | None = None
    version: str = ""
    cases: list[dict[str, Any]] = field(default_factory=list)


def run(plan: Plan, dataset: Dataset, log_folder: Path) -> list[Measured]:
    """Measure all; what cannot be is in the result, with the reason."""
    prepared = list(cases(dataset.base, dataset.queries, plan.shares, plan.asked))
    truths = [_truth(dataset, case) for case in prepared]
    base = str(dataset.files()[0])
    results = []
    for engine in plan.engines:
        say(engine)
        measured = Measured(engine)
        results.append(measured)
        try:
            with (
                tempfile.TemporaryDirectory() as folder,
                Worker(_TARGET, log_folder / f"filter-{engine}.log") as worker,
            ):
                measured.version = worker.call("version", engine=engine)
                sweep = worker.call("build", engine=engine, base=base, metric=dataset.metric, timeout=7200.0)
                for case, truth in zip(prepared, truths, strict=True):
                    measured.cases.append(_case(plan, dataset, case, truth, Path(folder), worker, sweep))
        except (UnavailableError, WorkerError) as error:
            measured.missing = str(error)
            say(f"{engine}: missing: {error}")
    return results


def _truth(dataset: Dataset, case: Case) -> FloatArray:
    """The distances of the K nearest allowed rows; where fewer are allowed, of as many."""
    inside = dataset.base[case.allowed]
    return distances(dataset.metric, case.queries, inside, exact(dataset.metric, inside, case.queries, K))


def _case(
    plan: Plan,
    dataset: Dataset,
    case: Case,
    truth: FloatArray,
    folder: Path,
    worker: Worker,
    sweep: Sequence[Any],
) -> dict[str, Any]:
    """The first value of the sweep with recall enough, or the best there was."""
    np.save(folder / "allowed.npy", case.allowed)
    np.save(folder / "queries.npy", case.queries)
    worker.call("use", allowed=str(folder / "allowed.npy"), queries=str(folder / "queries.npy"))
    answers = folder / "answers.npy"
    there = truth.shape[1]  # K, or all that match where fewer do
    best: dict[str, Any] = {"recall": -1.0}
    for value in sweep:
        per_second = worker.call("find", k=K, value=value, rounds=plan.rounds, answers=str(answers))
        found = np.load(answers)
        inside = np.where((found >= 0) & case.allowed[np.maximum(found, 0)], found, -1)
        right = recall(inside, distances(dataset.metric, case.queries, dataset.base, inside), truth, there)
        figures = {
            "value": value,
            "recall": right,
            "per_second": per_second,
            "fewest": int((inside >= 0).sum(axis=1).min()),
            "matching": there,
        }
        if right > best["recall"]:
            best = figures
        if right >= ENOUGH:
            break
    return {"kind": case.kind, "share": case.share, "enough": best["recall"] >= ENOUGH, **best}
