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
from benchmarks.ann.report import write_json
from benchmarks.common.console import wide_console
from benchmarks.common.machine import describe
from benchmarks.common.paths import cache_folder, results_folder
from benchmarks.common.progress import say
from benchmarks.common.worker import Worker, WorkerError
from benchmarks.queue.report import sheets

_TARGET = "benchmarks.queue.worker:QueueWorker"
MODES = ("always", "interval", "never")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queue",
        description="What store() costs its caller when a thread indexes behind it, and when none does.",
    )
    parser.add_argument("--dataset", default="auto", help="as for benchmarks.ann (default: auto)")
    parser.add_argument("--data", type=Path, help="folder to look for data sets in (default: $ENGRAM_DATA)")
    parser.add_argument(
        "--limit", type=int, default=220_000, help="vectors there are to store (default: 220000)"
    )
    parser.add_argument("--prefill", type=int, default=20_000, help="memories already there (default: 20000)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of storing, each setting and round (default: 2)"
    )
    parser.add_argument("--writers", default="1,4", help="threads that store (default: 1,4)")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="calls a second of each writer (default: flat out)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of turns (default: 3)")
    parser.add_argument("--name", default="queue", help="name of the result file (default: queue)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not."""
    options = _parser().parse_args(arguments)
    try:
        dataset = datasets.load(options.dataset, options.data, limit=options.limit, queries=1)
        if len(dataset.base) < 2 * options.prefill:
            raise ValueError(f"{dataset.name} is too small: --prefill {options.prefill} needs twice that")
        settings = [
            {"fsync": mode, "indexing": indexing, "writers": int(writers)}
            for mode in MODES
            for writers in options.writers.split(",")
            for indexing in ("async", "sync")
        ]
        version, figures = _measure(options, settings, dataset)
    except (DataError, WorkerError, ValueError) as error:
        print(f"error: {str(error).removeprefix('UnavailableError: ')}", file=sys.stderr)
        return 2
    rows = [
        {**setting, **{name: median([one[name] for one in rounds]) for name in rounds[0]}}
        | {"per_second_spread": spread([one["per_second"] for one in rounds])}
        for setting, rounds in zip(settings, figures, strict=True)
    ]
    content = {
        "command": " ".join(arguments if arguments is not None else sys.argv[1:]),
        "machine": describe(),
        "version": version,
        "dataset": {"name": dataset.name, "dim": dataset.base.shape[1], "prefill": options.prefill},
        "settings": rows,
    }
    write_json(content, results_folder() / f"{options.name}.json")
    console = wide_console()
    for sheet in sheets(content):
        console.print(sheet.rich())
    console.print(f"written: {results_folder() / options.name}.json", highlight=False)
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
    for round_number in range(options.rounds):
        say(f"round {round_number + 1} of {options.rounds}")
        for at in range(len(settings)):
            turn = (at + round_number) % len(settings)
            folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache_folder()))
            try:
                with Worker(_TARGET, log) as worker:
                    figures[turn].append(
                        worker.call(
                            "measure",
                            base=str(base),
                            metric=dataset.metric,
                            folder=str(folder),
                            prefill=options.prefill,
                            seconds=options.seconds,
                            rate=options.rate,
                            **settings[turn],
                        )
                    )
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return version, figures
