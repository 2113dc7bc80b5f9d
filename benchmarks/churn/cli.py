"""The command line: every pattern, every engine, and tables."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from benchmarks.ann import datasets
from benchmarks.ann.readers import DataError
from benchmarks.churn.engines import DEFAULT, ENGINES
from benchmarks.churn.patterns import PATTERNS
from benchmarks.churn.report import sheets
from benchmarks.churn.runner import Plan, run
from benchmarks.common.cli import add_data_options, add_name_option, finish, head
from benchmarks.common.paths import results_folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.churn",
        description="Recall, memory and rate of indexes whose vectors are replaced again and again.",
    )
    add_data_options(parser)
    parser.add_argument("--live", type=int, default=20_000, help="vectors an index holds (default: 20000)")
    parser.add_argument("--turnovers", type=int, default=10, help="how often all go (default: 10)")
    parser.add_argument("--query-count", type=int, default=1000, help="queries after each (default: 1000)")
    parser.add_argument("--ef", type=int, default=64, help="breadth of the search (default: 64)")
    parser.add_argument("--batch", type=int, default=500, help="vectors a call replaces (default: 500)")
    parser.add_argument("--patterns", default=",".join(PATTERNS), help="default: %(default)s")
    parser.add_argument("--engines", default=",".join(DEFAULT), help="default: %(default)s")
    add_name_option(parser, "churn")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not."""
    options = _parser().parse_args(arguments)
    plan = Plan(
        options.engines.split(","),
        options.patterns.split(","),
        options.live,
        options.turnovers,
        options.batch,
        options.ef,
    )
    try:
        _check(plan)
        dataset = datasets.load(
            options.dataset,
            options.data,
            limit=plan.live * (plan.turnovers + 1),
            queries=options.query_count,
        )
        results = run(plan, dataset, results_folder() / "logs")
    except (DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    content = {
        **head(arguments),
        "dataset": {**dataset.about(), "live": plan.live},
        "patterns": plan.patterns,
        "turnovers": plan.turnovers,
        "ef": plan.ef,
        "results": [asdict(measured) for measured in results],
    }
    finish(content, options.name, sheets(content))
    return 0


def _check(plan: Plan) -> None:
    unknown = [name for name in plan.engines if name not in ENGINES]
    unknown += [name for name in plan.patterns if name not in PATTERNS]
    if unknown:
        raise ValueError(
            f"there is no {unknown[0]!r}: engines are {', '.join(ENGINES)}, patterns {', '.join(PATTERNS)}"
        )
    if min(plan.live, plan.turnovers, plan.batch, plan.ef) < 1:
        raise ValueError("--live, --turnovers, --batch and --ef must be at least 1")
