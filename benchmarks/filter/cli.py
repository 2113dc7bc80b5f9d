"""The command line: every filter, every engine, and a table."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from benchmarks.ann import datasets
from benchmarks.ann.readers import DataError
from benchmarks.common.cli import add_data_options, add_name_option, at_least, finish, head, several
from benchmarks.common.paths import results_folder
from benchmarks.filter.engines import DEFAULT, ENGINES
from benchmarks.filter.report import sheets
from benchmarks.filter.runner import ENOUGH, Plan, run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.filter",
        description="Queries a second when only some labels may be found, at recall@10 >= 0.95.",
    )
    add_data_options(parser)
    parser.add_argument("--limit", type=int, default=100_000, help="vectors (default: 100000)")
    parser.add_argument("--query-count", type=int, default=300, help="queries a filter (default: 300)")
    parser.add_argument(
        "--shares",
        type=several(at_least(0, float)),
        default="0.001,0.01,0.1,0.5",
        help="that match (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each point, the best counts (default: 3)")
    parser.add_argument("--engines", default=",".join(DEFAULT), help="default: %(default)s")
    add_name_option(parser, "filter")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not."""
    options = _parser().parse_args(arguments)
    try:
        plan = Plan(options.engines.split(","), tuple(options.shares), options.query_count, options.rounds)
        _check(plan)
        dataset = datasets.load(options.dataset, options.data, limit=options.limit)
        results = run(plan, dataset, results_folder() / "logs")
    except (DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    content = {
        **head(arguments),
        "dataset": dataset.about(),
        "enough": ENOUGH,
        "results": [asdict(measured) for measured in results],
    }
    finish(content, options.name, sheets(content))
    return 0


def _check(plan: Plan) -> None:
    unknown = [name for name in plan.engines if name not in ENGINES]
    if unknown:
        raise ValueError(f"there is no engine {unknown[0]!r}: choose among {', '.join(ENGINES)}")
    outside = [share for share in plan.shares if not 0 < share <= 1]
    if outside:
        raise ValueError(f"--shares holds {outside[0]:g}: give shares above 0 and up to 1")
    if min(plan.asked, plan.rounds) < 1:
        raise ValueError("--query-count and --rounds must be at least 1")
