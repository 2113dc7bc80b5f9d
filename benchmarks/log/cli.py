"""The command line: every figure of the log, one after another, and a table."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.common.cli import a_folder, add_name_option, finish, head
from benchmarks.common.installed import engram_version
from benchmarks.common.paths import HERE, cache_folder
from benchmarks.common.sheet import Sheet
from benchmarks.log.figures import measure

_PARTS = ("one", "sixteen", "native", "never", "sqlite", "tail", "recovery", "open")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.log",
        description="The log beside the bare disk and the fastest rivals, as ratios in one run.",
    )
    parser.add_argument("--folder", type=a_folder, default=cache_folder(), help="on the disk to measure")
    parser.add_argument("--only", default="", help=f"of {','.join(_PARTS)} (default: all)")
    parser.add_argument("--size", type=int, default=1_000_000, help="memories to open (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the native part (default: 3)")
    parser.add_argument("--program", type=Path, help="a wal_bench that is built (default: build it)")
    add_name_option(parser, "log")
    return parser


def _built() -> Path | None:
    """wal_bench, built where that is possible."""
    folder = HERE.parent / "build" / "bench-log"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = ["cmake", "-S", str(HERE.parent), "-B", str(folder), *generator]
    options = ["-DENGRAM_BUILD_PYTHON=OFF", "-DENGRAM_BUILD_TESTS=ON"]
    build = ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1), "--target", "wal_bench"]
    for command in ([*configure, *options], build):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"missing: wal_bench ({command[0]} failed: {done.stderr.strip()[-300:]})")
            return None
    return folder / "wal_bench"


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """One line a figure."""
    sheet = Sheet("The log", ["what", "Engram", "beside", "ratio", "asked"])
    for figure in content["figures"]:
        row = [figure[name] for name in ("what", "ours", "beside")]
        sheet.rows.append([*row, f"{figure['ratio']:.2f}", figure["asked"]])
    return [sheet]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 when it could."""
    parser = _parser()
    options = parser.parse_args(arguments)
    only = {part for part in options.only.split(",") if part}
    if not only <= set(_PARTS):
        parser.error(f"--only takes {', '.join(_PARTS)}, not {options.only}")
    program = options.program
    if program is None and (not only or "native" in only):
        program = _built()
    figures = measure(options.folder, only, program, options.rounds, options.size)
    content = {
        **head(arguments),
        "version": engram_version(),
        "figures": [dataclasses.asdict(figure) for figure in figures],
    }
    finish(content, options.name, sheets(content))
    return 0
