"""What the command lines have in common: options that name data and result, the result's head and its end,
and how a process ends that is interrupted."""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.common.console import wide_console
from benchmarks.common.machine import describe
from benchmarks.common.paths import results_folder
from benchmarks.common.sheet import Sheet

# File systems allow 255 bytes; a result being written is ".NAME.json.partial".
_MOST_NAME_BYTES = 255 - len("..json.partial")
_INTERRUPTED = 128 + signal.SIGINT
_written: list[Path] = []  # results, by this process


def add_data_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, known: str = "as for benchmarks.ann"
) -> None:
    """--dataset and --data: what `benchmarks.ann.datasets.load` is given."""
    parser.add_argument("--dataset", default="auto", help=f"{known} (default: auto, the best that is there)")
    parser.add_argument(
        "--data", type=a_folder, help="folder to look for data sets in (default: $ENGRAM_DATA)"
    )


def a_folder(text: str) -> Path:
    """A type for argparse: a folder that is there."""
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is no folder: name one that is there")
    return folder


def at_least(least: float, kind: type[int] | type[float] = int) -> Callable[[str], Any]:
    """A type for argparse: a number that is no smaller."""

    def read(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = kind(least - 1)
        if not least <= number < math.inf:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r}: give {what} of at least {least}")
        return number

    return read


def several(read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A type for argparse: what ``read`` takes, separated by commas."""
    return lambda text: [read(one) for one in text.split(",")]


def add_name_option(parser: argparse.ArgumentParser | argparse._ArgumentGroup, default: str) -> None:
    """--name: what the files of the result are called."""
    parser.add_argument(
        "--name", type=plain_name, default=default, help=f"name of the result's files (default: {default})"
    )


def plain_name(text: str) -> str:
    """A type for argparse: what a file of the folder of results can be called, an ending and all."""
    plain = text not in ("", ".", "..") and text.isprintable() and not set(text) & set("/\\")
    if not plain or len(os.fsencode(text)) > _MOST_NAME_BYTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no plain file name: give one without folders, of at most {_MOST_NAME_BYTES} bytes "
            "(ENGRAM_BENCH_RESULTS names the folder)"
        )
    return text


def all_missing(reasons: dict[str, str | None]) -> bool:
    """Whether nothing could be measured: then why is said, and an earlier result stays."""
    if None in reasons.values():
        return False
    for name, reason in reasons.items():
        print(f"error: {name}: {reason}", file=sys.stderr)
    return True


def head(arguments: list[str] | None, options: argparse.Namespace | None = None) -> dict[str, Any]:
    """How a result begins: the command (``arguments``, or the process' own), all ``options``, the machine."""
    return {
        "command": " ".join(sys.argv[1:] if arguments is None else arguments),
        "options": {} if options is None else {name: _plain(value) for name, value in vars(options).items()},
        "machine": describe(),
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def save(content: dict[str, Any], name: str) -> Path:
    """Write a result to the folder of results; returns the file."""
    file = results_folder() / f"{name}.json"
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(file)  # an interrupt leaves the earlier result or this one, never a part
    _written.append(file)
    return file


def finish(content: dict[str, Any], name: str, sheets: Iterable[Sheet]) -> None:
    """Write a result, print its tables, and say where it is."""
    file = save(content, name)
    console = wide_console()
    for sheet in sheets:
        console.print(sheet.rich())
    console.print(f"written: {file}", highlight=False)


def interruptible(main: Callable[[], int]) -> int:
    """What the process exits with: what ``main`` returns; 130, and one line that says so, on Ctrl-C; 1 on a
    full disk.

    On its way here the interrupt has ended the workers: each is killed as its ``with`` is left.
    """
    earlier = len(_written)
    try:
        return main()
    except KeyboardInterrupt:
        _tell_end("interrupted", earlier)
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _tell_end(f"{error}: free some space, what was built is kept for the next run", earlier)
        return 1


def _tell_end(why: str, earlier: int) -> None:
    files = ", ".join(map(str, _written[earlier:]))
    said = f"written before that: {files}" if files else "nothing was written"
    begin = "\n" if sys.stderr.isatty() else ""  # the cursor stands behind ^C, or a progress bar
    print(f"{begin}{why}; {said}", file=sys.stderr)
