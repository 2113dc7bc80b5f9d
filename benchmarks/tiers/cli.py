"""The command line: the parts one after another, and their tables."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ann import datasets
from benchmarks.ann.metrics import distances, recall
from benchmarks.ann.readers import DataError
from benchmarks.common.cli import add_data_options, add_name_option, at_least, finish, head
from benchmarks.common.own import address
from benchmarks.common.paths import cache_folder, results_folder
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError
from benchmarks.durable.adapters import STORES
from benchmarks.tiers.life import Scale
from benchmarks.tiers.policies import contenders
from benchmarks.tiers.report import sheets

_TARGET = "benchmarks.tiers.worker:TiersWorker"
_PARTS = ("layout", "others", "limited", "life")
_PATIENCE = 7200.0  # seconds
# A limit on data counts the stacks of threads in full: 8 MB each by default, of which they touch some kB.
_SMALL_STACKS = ["sh", "-c", 'ulimit -s 1024 && exec "$@"', "sh"]
K = 10


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tiers",
        description="One store over three tiers: recall, latency, memory and disk; others beside it; a store "
        "ten times its memory; thirty simulated days under several policies.",
    )
    add_data_options(parser)
    parser.add_argument("--limit", type=at_least(1), help="base vectors (default: all)")
    parser.add_argument("--query-count", type=at_least(1), default=1000, help="cues (default: 1000)")
    parser.add_argument("--hot", type=float, default=0.01, help="share that is hot (default: 0.01)")
    parser.add_argument("--warm", type=float, default=0.1, help="share that is warm (default: 0.1)")
    parser.add_argument("--only", default=",".join(_PARTS), help=f"of {', '.join(_PARTS)} (default: all)")
    parser.add_argument("--days", type=at_least(1), default=30, help="of the simulated life (default: 30)")
    parser.add_argument("--memories", type=at_least(4000), default=20_000, help="in that life (20000)")
    add_name_option(parser, "tiers")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not."""
    parser = _parser()
    options = parser.parse_args(arguments)
    parts = options.only.split(",")
    if not set(parts) <= set(_PARTS):
        parser.error(f"--only takes {', '.join(_PARTS)}, not {options.only}")
    content = head(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_folder()))
    try:
        if set(parts) & {"layout", "others", "limited"}:
            dataset = datasets.load(
                options.dataset, options.data, limit=options.limit, queries=options.query_count
            )
            content["dataset"] = dataset.about()
            measured = _Run(dataset, scratch, options)
            for part in parts:
                if part != "life":
                    say(part)
                    content[part] = getattr(measured, part)()
        if "life" in parts:
            content["life"] = _life(Scale(days=options.days, memories=options.memories), scratch)
    except (DataError, WorkerError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    finish(content, options.name, sheets(content))
    return 0


def _worker(target: str = _TARGET, wrapper: list[str] | None = None) -> Worker:
    return Worker(target, results_folder() / "logs" / "tiers.log", wrapper)


class _Run:
    """The parts that need a data set."""

    def __init__(self, dataset: datasets.Dataset, scratch: Path, options: argparse.Namespace) -> None:
        self._dataset = dataset
        self._scratch = scratch
        self._base, self._queries = map(str, dataset.files())
        self._truth = distances(dataset.metric, dataset.queries, dataset.base, dataset.neighbours)
        self._hot = int(options.hot * len(dataset.base))
        self._warm = int(options.warm * len(dataset.base))

    def layout(self) -> dict[str, Any]:
        folder, answers = str(self._scratch / "store"), str(self._scratch / "answers.npy")
        with _worker() as worker:
            built = worker.call(
                "build", _PATIENCE, base=self._base, metric=self._dataset.metric, folder=folder,
                hot=self._hot, warm=self._warm,
            )  # fmt: skip
        result: dict[str, Any] = {"built": built, "raw_bytes": 4 * self._dataset.base.size}
        for name, cold_cache in (("resident", False), ("cache dropped", True)):
            with _worker() as worker:
                result[name] = worker.call(
                    "measure", _PATIENCE, queries=self._queries, folder=folder, cold_cache=cold_cache,
                    answers=answers,
                )  # fmt: skip
            result[name]["recall_10"] = self._quality(Path(answers))
        return result

    def others(self) -> dict[str, Any]:
        """FAISS in RAM; lancedb and zvec on disk."""
        found: dict[str, Any] = {}
        answers = str(self._scratch / "answers.npy")
        try:
            with _worker() as worker:
                found["FAISS HNSWFlat"] = worker.call(
                    "faiss", _PATIENCE, base=self._base, queries=self._queries, m=16, ef=64, answers=answers
                )
            found["FAISS HNSWFlat"]["recall_10"] = self._quality(Path(answers))
        except WorkerError as error:
            found["FAISS HNSWFlat"] = {"missing": str(error)}
        for store in ("lancedb", "zvec"):
            found[store] = self._durable(store, answers)
        return found

    def _durable(self, store: str, answers: str) -> dict[str, Any]:
        folder = self._scratch / store
        folder.mkdir()
        common = {"kind": address(STORES[store]), "metric": self._dataset.metric, "folder": str(folder)}
        target = "benchmarks.durable.worker:StoreWorker"
        try:
            with _worker(target) as worker:
                worker.call("bulk", _PATIENCE, base=self._base, seconds=_PATIENCE, **common)
            with _worker(target) as worker:
                reopened = worker.call("reopen", _PATIENCE, queries=self._queries, **common)
                figures = worker.call("recalls", _PATIENCE, k=K, answers=answers)
        except WorkerError as error:
            return {"missing": str(error)}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {**reopened, **figures, "recall_10": self._quality(Path(answers))}

    def limited(self) -> dict[str, Any]:
        raw = 4 * self._dataset.base.size
        with _worker(wrapper=_SMALL_STACKS) as worker:
            found: dict[str, Any] = worker.call(
                "limited", _PATIENCE, base=self._base, folder=str(self._scratch / "limited"),
                hot=str(max(4 << 20, raw // 10)),
            )  # fmt: skip
        return found

    def _quality(self, answers: Path) -> float:
        found = np.load(answers)
        dataset = self._dataset
        given = distances(dataset.metric, dataset.queries, dataset.base, found)
        return recall(found, given, self._truth, K)


def _life(scale: Scale, scratch: Path) -> dict[str, Any]:
    import engram

    results = []
    for policy in contenders(engram.TierBudgets()):
        with _worker() as worker:
            results.append(
                worker.call(
                    "life",
                    _PATIENCE,
                    policy=policy,
                    scale=dataclasses.asdict(scale),
                    folder=str(scratch / f"life-{policy}"),
                )
            )
    return {"scale": dataclasses.asdict(scale), "policies": results}
