"""The command line of the comparison of durable stores."""

from __future__ import annotations

import argparse
import sys

from benchmarks.ann import datasets
from benchmarks.common.cli import add_data_options, add_name_option, all_missing, at_least, head, save
from benchmarks.common.console import wide_console
from benchmarks.common.own import add_adapter_option, chosen, own
from benchmarks.common.paths import results_folder
from benchmarks.durable import report
from benchmarks.durable.adapters import DEFAULT, STORES, Store
from benchmarks.durable.runner import Plan, run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.durable",
        description="Engram's store beside others that keep vectors on disk, with the syncs each makes.",
    )
    add_data_options(parser)
    parser.add_argument("--limit", type=at_least(100), default=100_000, help="vectors to store (100000)")
    parser.add_argument("--query-count", type=at_least(1), default=500, help="recalls a round (default: 500)")
    parser.add_argument("--stores", help=f"comma-separated (default: all; known: {', '.join(STORES)})")
    add_adapter_option(parser, "the adapter of a store")
    parser.add_argument("--rounds", type=at_least(1), default=3, help="rounds of turns (default: 3)")
    parser.add_argument(
        "--single-seconds",
        type=at_least(0, float),
        default=3.0,
        help="of inserts one at a time, each round, at most (default: 3)",
    )
    parser.add_argument(
        "--load-seconds",
        type=at_least(0, float),
        default=60.0,
        help="a store that loads for longer is cut off (default: 60)",
    )
    parser.add_argument("--reload", action="store_true", help="load again what the cache holds")
    add_name_option(parser, "durable")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when the arguments or the data cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        adapters = own(options.adapter, Store, STORES)
        stores = chosen(options.stores, DEFAULT, STORES, adapters, "store")
        dataset = datasets.load(
            options.dataset, options.data, limit=options.limit, queries=options.query_count
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    plan = Plan(
        stores,
        rounds=options.rounds,
        single_seconds=options.single_seconds,
        load_seconds=options.load_seconds,
        reload=options.reload,
        adapters={**STORES, **adapters},
    )
    measured = run(plan, dataset, results_folder() / "logs")
    if all_missing({one.store: one.missing for one in measured}):
        return 2
    content = report.result(dataset, measured, head(arguments, options))
    file = save(content, options.name)
    console = wide_console()
    report.print_tables(content, console)
    console.print(f"written: {file}", highlight=False)
    return 0
