"""The command line: compile, time, print."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.common.cli import add_name_option, at_least, finish, head, several
from benchmarks.common.process import one_core, pin
from benchmarks.common.progress import track
from benchmarks.common.sheet import Sheet
from benchmarks.native.build import BuildError, timed
from benchmarks.native.distances import bandwidth, distance_sheet, distances
from benchmarks.native.parts import part_sheet, parts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.native",
        description="Nanoseconds of the smallest parts, timed in compiled loops on one core.",
    )
    parser.add_argument(
        "--dims",
        type=several(at_least(1)),
        default="100,128,384,768,1536",
        help="dimensions (default: 100,128,384,768,1536)",
    )
    parser.add_argument(
        "--random-megabytes",
        type=at_least(1),
        default=1024,
        help="of vectors met at random, far beyond any cache",
    )
    add_name_option(parser, "native")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could, 2 when it could not be compiled."""
    options = _parser().parse_args(arguments)
    try:
        module = timed()
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    pin(one_core())
    random_bytes = options.random_megabytes << 20
    memory = bandwidth(module, random_bytes)
    rows = [
        row
        for dim in track(options.dims, "dimensions")
        for row in distances(module, dim, random_bytes, memory)
    ]
    others = parts(module)
    content = {**head(arguments), "bandwidth_gb_s": memory, "distances": rows, "parts": others}
    finish(content, options.name, sheets(content))
    return 0


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """Distances, then the other parts."""
    first = distance_sheet(content["distances"])
    first.caption = f"Memory bandwidth of one core, reading in order: {content['bandwidth_gb_s']:.1f} GB/s."
    return [first, part_sheet(content["parts"])]
