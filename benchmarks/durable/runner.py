"""The comparison of durable stores: inserts and recalls turn by turn, syncs counted apart from the clock."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann.datasets import Dataset
from benchmarks.ann.groundtruth import cached_exact
from benchmarks.ann.metrics import distances, median, recall
from benchmarks.common.cache import BuiltCache
from benchmarks.common.installed import UnavailableError
from benchmarks.common.own import address, code_of
from benchmarks.common.paths import cache_folder
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError
from benchmarks.durable import syncs
from benchmarks.durable.adapters import STORES, Store

K = 10
_TARGET = "benchmarks.durable.worker:StoreWorker"
_LOAD_GRACE = 1800.0  # for what follows a load (an index build) and for stores that take long to close


@dataclass(frozen=True)
class Plan:
    """What to measure: ``stores`` by name, of ``adapters``. A store that loads for longer than
    ``load_seconds`` is cut off there."""

    stores: list[str]
    rounds: int = 3
    singles: int = 500
    single_seconds: float = 3.0
    load_seconds: float = 60.0
    traced_singles: int = 50
    traced_batches: int = 3
    reload: bool = False
    adapters: Mapping[str, type[Store]] = field(default_factory=lambda: STORES)


@dataclass
class Measured:
    """One store's figures."""

    store: str
    missing: str | None = None
    version: str = ""
    source: str = ""
    promise: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    singles: dict[str, float] = field(default_factory=dict)
    bulk: dict[str, float] = field(default_factory=dict)
    syncs: dict[str, Any] = field(default_factory=dict)
    reopened: dict[str, float] = field(default_factory=dict)
    recalls: dict[str, float] = field(default_factory=dict)


@dataclass
class _Run:
    plan: Plan
    dataset: Dataset
    base: Path
    queries: Path
    logs: Path

    @contextmanager
    def worker(self, store: str, wrapper: list[str] | None = None) -> Iterator[Worker]:
        with Worker(_TARGET, self.logs / f"{store}.log", wrapper) as worker:
            yield worker

    def common(self, store: str, folder: Path) -> dict[str, str]:
        return {
            "kind": address(self.plan.adapters[store]),
            "metric": self.dataset.metric,
            "folder": str(folder),
        }


def run(plan: Plan, dataset: Dataset, logs: Path) -> list[Measured]:
    """Measure every store of the plan; those that cannot be are in the result, with the reason."""
    base, queries = dataset.files()
    current = _Run(plan, dataset, base, queries, logs)
    results = [Measured(store) for store in plan.stores]
    for measured in results:
        _guarded(measured, lambda m: _describe(current, m))
    singles: dict[str, list[dict[str, float]]] = {}
    for round_number in range(plan.rounds):
        say(f"single inserts, round {round_number + 1} of {plan.rounds}")
        for measured in _rotated(results, round_number):
            _guarded(measured, lambda m: singles.setdefault(m.store, []).append(_single_inserts(current, m)))
    for measured in results:
        measured.singles = _medians(singles.get(measured.store, []))
        _guarded(measured, lambda m: _count_syncs(current, m))
    loaded: dict[str, BuiltCache] = {}
    for measured in results:
        _guarded(measured, lambda m: loaded.setdefault(m.store, _load(current, m)))
    _measure_recalls(current, results, loaded)
    return results


def _guarded(measured: Measured, step: Callable[[Measured], object]) -> None:
    """A step of a store that has not failed yet; when it fails, the store counts as missing from then on."""
    if measured.missing is not None:
        return
    try:
        step(measured)
    except (UnavailableError, WorkerError) as error:
        measured.missing = str(error).removeprefix("UnavailableError: ")
        say(f"{measured.store}: missing: {measured.missing}")


def _describe(current: _Run, measured: Measured) -> None:
    kind = current.plan.adapters[measured.store]
    measured.source, measured.promise = kind.source, kind.promise
    with current.worker(measured.store) as worker:
        described = worker.call("describe", kind=address(kind), dim=current.dataset.base.shape[1])
    measured.version, measured.parameters = described["version"], described["parameters"]


def _single_inserts(current: _Run, measured: Measured) -> dict[str, float]:
    plan = current.plan
    with _scratch() as folder, current.worker(measured.store) as worker:
        answer: dict[str, float] = worker.call(
            "singles",
            timeout=_LOAD_GRACE,
            base=str(current.base),
            count=plan.singles,
            seconds=plan.single_seconds,
            **current.common(measured.store, folder),
        )
    return answer


def _count_syncs(current: _Run, measured: Measured) -> None:
    """Sync calls an insert, one at a time and batched, in processes of their own since strace slows them."""
    if not syncs.available():
        measured.syncs = {"unknown": "strace is not installed"}
        return
    plan = current.plan
    wanted: dict[str, dict[str, float]] = {
        "singles": {"count": plan.traced_singles, "seconds": 60.0},
        "batches": {"count": plan.traced_batches},
    }
    for stretch, arguments in wanted.items():
        with _scratch() as folder:
            trace = folder.parent / "trace.txt"
            with current.worker(measured.store, syncs.wrapper(trace)) as worker:
                common = current.common(measured.store, folder)
                answer = worker.call(
                    stretch, timeout=_LOAD_GRACE, base=str(current.base), **arguments, **common
                )
            counted = syncs.count(trace.read_text(errors="replace"), stretch)
        measured.syncs[stretch] = {
            "per_insert": counted.total / answer["inserts"],
            "calls": counted.calls,
            "inserts": answer["inserts"],
            "synchronous_files": counted.synchronous_files,
            "io_uring": counted.io_uring,
        }


def _load(current: _Run, measured: Measured) -> BuiltCache:
    """Have the loaded store in the cache, and what loading cost in ``measured``."""
    plan = current.plan
    cache = BuiltCache(
        "stores",
        {
            "engine": measured.store,
            "version": measured.version,
            "parameters": measured.parameters,
            "metric": current.dataset.metric,
            "data": current.dataset.checksum,
            "load_seconds": plan.load_seconds,
            **code_of(plan.adapters[measured.store], STORES),
        },
    )
    known = None if plan.reload else cache.get()
    if known is None:
        say(f"{measured.store}: loading")
        with current.worker(measured.store) as worker:
            known = worker.call(
                "bulk",
                timeout=plan.load_seconds + _LOAD_GRACE,
                base=str(current.base),
                seconds=plan.load_seconds,
                **current.common(measured.store, cache.fresh_folder()),
            )
        cache.put(known)
    measured.bulk = known
    return cache


def _measure_recalls(current: _Run, results: list[Measured], loaded: dict[str, BuiltCache]) -> None:
    """Reopen every store, then ask all of them the same questions, turn by turn."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for measured in results:
            if measured.missing is None:
                worker = stack.enter_context(current.worker(measured.store))
                workers[measured.store] = worker
                common = current.common(measured.store, loaded[measured.store].folder)
                _guarded(measured, partial(_reopen, current, worker, common))
        rounds: dict[str, list[dict[str, float]]] = {}
        for round_number in range(current.plan.rounds):
            say(f"recalls, round {round_number + 1} of {current.plan.rounds}")
            for measured in _rotated(results, round_number):
                _guarded(
                    measured,
                    lambda m: rounds.setdefault(m.store, []).append(_recalls(current, m, workers[m.store])),
                )
        for measured in results:
            measured.recalls.update(_medians(rounds.get(measured.store, [])))


def _reopen(current: _Run, worker: Worker, common: dict[str, str], measured: Measured) -> None:
    measured.reopened = worker.call("reopen", timeout=_LOAD_GRACE, queries=str(current.queries), **common)


def _recalls(current: _Run, measured: Measured, worker: Worker) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        answers = Path(scratch) / "answers.npy"
        figures: dict[str, float] = worker.call("recalls", timeout=_LOAD_GRACE, k=K, answers=str(answers))
        if "recall_10" not in measured.recalls:
            measured.recalls["recall_10"] = _quality(current.dataset, int(measured.bulk["rows"]), answers)
    return figures


def _quality(dataset: Dataset, rows: int, answers: Path) -> float:
    """recall@10 against the exact neighbours among the rows that the store holds."""
    held = dataset.base[:rows]
    neighbours = dataset.neighbours if rows == len(dataset.base) else None
    if neighbours is None:
        neighbours = cached_exact(dataset.metric, held, dataset.queries)
    truth = distances(dataset.metric, dataset.queries, held, neighbours)
    found = np.load(answers)
    return recall(found, distances(dataset.metric, dataset.queries, held, found), truth, K)


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: median([one[name] for one in rounds]) for name in (rounds[0] if rounds else {})}


def _rotated(results: list[Measured], by: int) -> list[Measured]:
    start = by % max(1, len(results))
    return results[start:] + results[:start]


@contextmanager
def _scratch() -> Iterator[Path]:
    """An empty folder on the disk the cache is on: a RAM disk would make every sync free."""
    top = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_folder()))
    (top / "store").mkdir()
    try:
        yield top / "store"
    finally:
        shutil.rmtree(top, ignore_errors=True)
