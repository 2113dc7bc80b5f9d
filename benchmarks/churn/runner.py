"""Each engine under each pattern, in a process of its own, judged after each turnover."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.groundtruth import exact
from benchmarks.ann.metrics import FloatArray, distances, recall
from benchmarks.churn.patterns import Turnover, turnovers
from benchmarks.common.installed import UnavailableError
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError

K = 10
_TARGET = "benchmarks.churn.worker:ChurnWorker"


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    engines: list[str]
    patterns: list[str]
    live: int  # vectors an index holds
    turnovers: int = 10
    batch: int = 500  # rows a call replaces
    ef: int = 64


@dataclass
class Measured:
    """One engine under one pattern: figures of the start, of each turnover, and of a fresh build."""

    engine: str
    pattern: str
    missing: str | None = None
    version: str = ""
    turns: list[dict[str, float]] = field(default_factory=list)
    fresh: dict[str, float] = field(default_factory=dict)  # of an index built of what is in at the end


def run(plan: Plan, dataset: Dataset, log_folder: Path) -> list[Measured]:
    """Measure all; what cannot be is in the result, with the reason."""
    results = []
    for pattern in plan.patterns:
        turns = list(turnovers(pattern, dataset.base, plan.live, plan.turnovers))
        truths = [_truth(plan, dataset, number) for number in range(plan.turnovers + 1)]
        for engine in plan.engines:
            say(f"{pattern}: {engine}")
            measured = Measured(engine, pattern)
            results.append(measured)
            try:
                _measure(plan, dataset, turns, truths, measured, log_folder)
            except (UnavailableError, WorkerError) as error:
                measured.missing = str(error)
                say(f"{engine}: missing: {error}")
    return results


def _truth(plan: Plan, dataset: Dataset, number: int) -> FloatArray:
    """The distances of the nearest of what is in after so many turnovers."""
    inside = dataset.base[number * plan.live : (number + 1) * plan.live]
    return distances(
        dataset.metric, dataset.queries, inside, exact(dataset.metric, inside, dataset.queries, K)
    )


def _measure(
    plan: Plan,
    dataset: Dataset,
    turns: list[Turnover],
    truths: list[FloatArray],
    measured: Measured,
    log_folder: Path,
) -> None:
    base, queries = (str(file) for file in dataset.files())
    log = log_folder / f"churn-{measured.engine}.log"
    about: dict[str, Any] = {"engine": measured.engine, "queries": queries, "metric": dataset.metric}
    with tempfile.TemporaryDirectory() as folder:
        answers = str(Path(folder) / "answers.npy")

        def asked(worker: Worker, number: int, seconds: float, first: int = 0) -> dict[str, float]:
            """``first``: the row that the worker calls 0. Memory is taken with what searches keep."""
            per_second = worker.call("find", k=K, ef=plan.ef, answers=answers)
            found = np.load(answers)
            found = np.where(found < 0, found, found + first)
            return {
                "rate": plan.live / seconds,
                "recall": _recall(plan, dataset, truths[number], number, found),
                "queries": per_second,
                "memory_bytes": worker.call("memory"),
            }

        with Worker(_TARGET, log) as worker:
            measured.version = worker.call("version", engine=measured.engine)
            filling = worker.call("fill", base=base, live=plan.live, timeout=3600.0, **about)
            measured.turns.append(asked(worker, 0, filling))
            for number, turn in enumerate(turns, 1):
                names = [_written(Path(folder), name, getattr(turn, name)) for name in ("leave", "enter")]
                seconds = worker.call(
                    "turn", leave=names[0], enter=names[1], batch=plan.batch, timeout=3600.0
                )
                measured.turns.append(asked(worker, number, seconds))
        with Worker(_TARGET, log) as worker:
            last = _written(Path(folder), "last", dataset.base[turns[-1].enter])
            filling = worker.call("fill", base=last, live=plan.live, timeout=3600.0, **about)
            measured.fresh = asked(worker, plan.turnovers, filling, plan.turnovers * plan.live)


def _recall(plan: Plan, dataset: Dataset, truth: FloatArray, number: int, found: NDArray[np.int64]) -> float:
    """Recall after so many turnovers. Rows that are not in count as nothing, and so do rows that were."""
    first = number * plan.live
    inside = np.where((found >= first) & (found < first + plan.live), found, -1)
    return recall(inside, distances(dataset.metric, dataset.queries, dataset.base, inside), truth, K)


def _written(folder: Path, name: str, array: NDArray[Any]) -> str:
    file = folder / f"{name}.npy"
    np.save(file, array)
    return str(file)
