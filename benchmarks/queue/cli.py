"""The command line: every setting, turn by turn, and a table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.ann import datasets
from benchmarks.ann.metrics import median, spread
from benchmarks.ann.readers import DataError
from benchmarks.common.cli import add_data_options, add_name_option, at_least, finish, head, several
from benchmarks.common.paths import cache_folder, results_folder
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError
from benchmarks.queue.report import sheets

_TARGET = "benchmarks.queue.worker:QueueWorker"
PARTS = ("stores", "recalls", "ingest", "loop")
MODES = ("always", "interval", "never")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queue",
        description="What store() costs its caller when a thread indexes behind it, and when none does.",
    )
    add_data_options(parser)
    parser.add_argument(
        "--limit", type=int, default=400_000, help="vectors there are to store (default: 400000)"
    )
    parser.add_argument(
        "--prefill", type=int, default=100_000, help="memories already there (default: 100000)"
    )
    parser.add_argument("--recalls", type=int, default=1, help="threads that recall meanwhile (default: 1)")
    parser.add_argument(
        "--what",
        default="stores,recalls,ingest,loop",
        help="stores: latency of each mode; recalls: beside a writer; ingest: store_many against Index.add; "
        "loop: how late an event loop runs beside AsyncMemoryStore",
    )
    parser.add_argument(
        "--ingest", type=int, default=200_000, help="vectors to load in bulk (default: 200000)"
    )
    parser.add_argument("--threads", type=int, default=0, help="of the bulk load (default: one a processor)")
    parser.add_argument(
        "--seconds",
        type=at_least(0, float),
        default=2.0,
        help="of storing, each setting and round (2)",
    )
    parser.add_argument(
        "--writers", type=several(at_least(1)), default="1,4", help="threads that store (default: 1,4)"
    )
    parser.add_argument("--modes", default=",".join(MODES), help="sync modes (default: all three)")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="calls a second of each writer (default: flat out)"
    )
    parser.add_argument("--rounds", type=at_least(1), default=3, help="rounds of turns (default: 3)")
    add_name_option(parser, "queue")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not."""
    options = _parser().parse_args(arguments)
    try:
        parts = options.what.split(",")
        if not set(parts) <= set(PARTS):
            raise ValueError(f"--what {options.what} is not some of {', '.join(PARTS)}")
        modes = options.modes.split(",")
        if not set(modes) <= set(MODES):
            raise ValueError(f"--modes {options.modes} is not some of {', '.join(MODES)}")
        dataset = datasets.load(options.dataset, options.data, limit=options.limit, queries=200)
        if len(dataset.base) < 2 * options.prefill:
            raise ValueError(f"{dataset.name} is too small: --prefill {options.prefill} needs twice that")
        settings = [
            {"fsync": mode, "indexing": indexing, "writers": writers}
            for mode in modes
            for writers in options.writers
            for indexing in ("async", "sync")
            if "stores" in parts
        ]
        version, figures = _measure(options, settings, dataset)
        beside = _beside(options, dataset) if "recalls" in parts else None
        ingest = _ingest(options, dataset) if "ingest" in parts else None
        loop = _loop(options, dataset) if "loop" in parts else None
    except (DataError, WorkerError, ValueError) as error:
        print(f"error: {str(error).removeprefix('UnavailableError: ')}", file=sys.stderr)
        return 2
    rows = [
        {**setting, **{name: median([one[name] for one in rounds]) for name in rounds[0]}}
        | {"per_second_spread": spread([one["per_second"] for one in rounds])}
        for setting, rounds in zip(settings, figures, strict=True)
    ]
    content = {
        **head(arguments),
        "version": version,
        "dataset": {**dataset.about(), "prefill": options.prefill},
        "settings": rows,
        "recalls": beside,
        "ingest": ingest,
        "loop": loop,
    }
    finish(content, options.name, sheets(content))
    return 0


def _measure(
    options: argparse.Namespace, settings: list[dict[str, Any]], dataset: datasets.Dataset
) -> tuple[str, list[list[dict[str, float]]]]:
    """Each setting once a round, in a process and a folder of its own."""
    base, _ = dataset.files()
    log = results_folder() / "logs" / "queue.log"
    with Worker(_TARGET, log) as worker:
        version = str(worker.call("version"))
    figures: list[list[dict[str, float]]] = [[] for _ in settings]
    for round_number in range(options.rounds if settings else 0):
        say(f"round {round_number + 1} of {options.rounds}")
        for at in range(len(settings)):
            turn = (at + round_number) % len(settings)
            figures[turn].append(
                _in_a_process(
                    _TARGET,
                    base=str(base),
                    metric=dataset.metric,
                    prefill=options.prefill,
                    seconds=options.seconds,
                    rate=options.rate,
                    recalls=options.recalls,
                    **settings[turn],
                )
            )
    return version, figures


def _beside(options: argparse.Namespace, dataset: datasets.Dataset) -> dict[str, Any]:
    """What recalls cost while one writer stores."""
    say("recalls beside a writer")
    base, queries = dataset.files()
    return _in_a_process(
        "benchmarks.queue.beside:RecallWorker",
        base=str(base),
        queries=str(queries),
        metric=dataset.metric,
        prefill=options.prefill,
        seconds=4 * options.seconds,
        checks=20,
    )


def _ingest(options: argparse.Namespace, dataset: datasets.Dataset) -> dict[str, Any]:
    """How fast all is loaded."""
    say("bulk loading")
    base, _ = dataset.files()
    return _in_a_process(
        "benchmarks.queue.beside:IngestWorker",
        base=str(base),
        metric=dataset.metric,
        count=options.ingest,
        threads=options.threads,
    )


def _loop(options: argparse.Namespace, dataset: datasets.Dataset) -> dict[str, Any]:
    """How late an event loop runs beside tasks that store and recall."""
    say("an event loop")
    base, _ = dataset.files()
    return _in_a_process(
        "benchmarks.queue.loop:LoopWorker",
        base=str(base),
        metric=dataset.metric,
        prefill=options.prefill,
        seconds=2 * options.seconds,
    )


def _in_a_process(target: str, **arguments: Any) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_folder()))
    try:
        with Worker(target, results_folder() / "logs" / "queue.log") as worker:
            figures: dict[str, Any] = worker.call("measure", folder=str(folder), **arguments)
            return figures
    finally:
        shutil.rmtree(folder, ignore_errors=True)
