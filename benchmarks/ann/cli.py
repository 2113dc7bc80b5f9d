"""The command line of the comparison."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.ann import check, datasets, report
from benchmarks.ann.adapters import ADAPTERS, DEFAULT, Adapter
from benchmarks.ann.datasets import Dataset
from benchmarks.ann.plot import write_plot
from benchmarks.ann.readers import DataError
from benchmarks.ann.runner import Plan, run
from benchmarks.common.cli import add_data_options, add_name_option, all_missing, at_least, head, save
from benchmarks.common.console import wide_console
from benchmarks.common.own import add_adapter_option, chosen, own
from benchmarks.common.paths import results_folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ann",
        description="Engram's index beside the libraries people would otherwise use, on the same vectors.",
    )
    data = parser.add_argument_group("data")
    add_data_options(
        data, "auto, sift1m, sift-photos-1m, minilm, minilm-indist, synthetic, a folder, an .hdf5 file"
    )
    data.add_argument("--base", type=Path, help="vectors to index: .npy, .fvecs or .bvecs (with --queries)")
    data.add_argument("--queries", type=Path, help="vectors to search for, same formats")
    data.add_argument(
        "--groundtruth", type=Path, help="their exact neighbours: .npy or .ivecs (default: computed)"
    )
    data.add_argument(
        "--metric", choices=["l2", "cosine", "ip"], help="for data that does not say (default: l2)"
    )
    data.add_argument("--limit", type=at_least(1), help="measure on a random sample of so many vectors")
    data.add_argument("--query-count", type=at_least(1), help="use the first so many queries")
    what = parser.add_argument_group("what is measured")
    what.add_argument("--engines", help=f"comma-separated (default: all; known: {', '.join(ADAPTERS)})")
    add_adapter_option(what, "the adapter of an engine")
    what.add_argument(
        "--rounds",
        type=at_least(1),
        default=3,
        help="rounds of turns, of which figures are medians (default: 3)",
    )
    what.add_argument(
        "--target-rounds",
        type=at_least(0),
        default=4,
        help="further rounds of the settings around recall@10 = 0.90, 0.95 and 0.99 alone (default: 4)",
    )
    what.add_argument(
        "--point-seconds",
        type=at_least(0, float),
        default=20.0,
        help="a setting that takes longer is asked fewer queries (default: 20)",
    )
    what.add_argument(
        "--build-threads", default="1,all", help="build with so many threads and time it (default: 1,all)"
    )
    what.add_argument("--rebuild", action="store_true", help="build again what the cache holds")
    out = parser.add_argument_group("output")
    add_name_option(out, "ann")
    out.add_argument("--compare", type=Path, help="an earlier result to set this one beside")
    out.add_argument("--reference", help="engine the ratios of --compare are to (default: faiss-hnsw)")
    out.add_argument("--no-plot", action="store_true")
    judge = parser.add_argument_group("check")
    judge.add_argument(
        "--check", action="store_true", help="exit 1 when engram misses recall@10 = 0.90 or a --ratio"
    )
    judge.add_argument(
        "--ratio",
        action="append",
        default=[],
        metavar="ENGINE[@RECALL]=X",
        help="with --check: at least X times the engine's queries a second (repeatable)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when all is well, 1 when a check failed, 2 when nothing could be measured."""
    options = _parser().parse_args(arguments)
    console = wide_console()
    try:
        adapters = own(options.adapter, Adapter, ADAPTERS)
        engines = chosen(options.engines, DEFAULT, ADAPTERS, adapters, "engine")
        ratios = [check.parse_ratio(text) for text in options.ratio]
        for ratio in ratios:
            if ratio.engine not in engines:
                raise ValueError(f"--ratio names {ratio.engine}, which is not among the engines of this run")
        if ratios and not options.check:
            raise ValueError("--ratio is judged with --check alone: add --check")
        if options.reference is not None:
            _check_reference(options, engines)
        threads = tuple(_threads(text) for text in options.build_threads.split(","))
        before = None if options.compare is None else _result(options.compare)
        dataset = _dataset(options)
    except (DataError, check.BadRatioError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    plan = Plan(
        engines,
        options.rounds,
        options.target_rounds,
        threads,
        options.rebuild,
        options.point_seconds,
        {**ADAPTERS, **adapters},
    )
    measured = run(plan, dataset, results_folder() / "logs")
    if all_missing({one.engine: one.missing for one in measured}):
        return 2
    content = report.result(dataset, measured, head(arguments, options))
    file = save(content, options.name)
    report.print_tables(content, console)
    if not options.no_plot:
        write_plot(content, file.with_suffix(".png"))
    if before is not None:
        if before["dataset"] != content["dataset"]:
            print(f"warning: {options.compare} was measured on other data", file=sys.stderr)
        console.print(report.comparison(before, content, options.reference or "faiss-hnsw").rich())
    console.print(f"written: {file}" + ("" if options.no_plot else " and .png"), highlight=False)
    if options.check:
        found = check.failures(content, ratios)
        for sentence in found:
            print(f"check failed: {sentence}", file=sys.stderr)
        return 1 if found else 0
    return 0


def _check_reference(options: argparse.Namespace, engines: list[str]) -> None:
    if options.compare is None:
        raise ValueError("--reference is for the ratios of --compare alone: add --compare")
    if options.reference not in engines:
        raise ValueError(f"--reference names {options.reference}, which is not among the engines of this run")


def _result(file: Path) -> dict[str, Any]:
    """An earlier result, read before hours are spent on the one to set beside it."""
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        usable = {"engines", "dataset"} <= content.keys()
    except (ValueError, AttributeError):
        usable = False
    if not usable:
        raise ValueError(f"--compare {file} is no result of benchmarks.ann")
    return content


def _threads(text: str) -> int:
    if text.strip() == "all":
        return 0
    if not text.strip().isdigit() or int(text) < 1:
        raise ValueError(f"--build-threads takes numbers and 'all', not {text!r}")
    return int(text)


def _dataset(options: argparse.Namespace) -> Dataset:
    if (options.base is None) != (options.queries is None):
        raise ValueError("--base and --queries go together")
    if options.base is None and options.groundtruth is not None:
        raise ValueError("--groundtruth belongs to --base and --queries: a data set has its own, or gets it")
    if options.base is not None and options.dataset != "auto":
        raise ValueError(f"--dataset {options.dataset} and --base are two data sets: give one of them")
    if options.base is not None:
        return datasets.from_files(
            options.base,
            options.queries,
            options.groundtruth,
            options.metric or "l2",
            limit=options.limit,
            queries_limit=options.query_count,
        )
    return datasets.load(
        options.dataset,
        options.data,
        limit=options.limit,
        queries=options.query_count,
        metric=options.metric,
    )
