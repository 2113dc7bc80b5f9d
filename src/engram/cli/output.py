"""What the commands print: answers on standard output, progress on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engram._errors import CorruptionError, EngramError
from engram.recall import Recall
from engram.repair import RepairReport

from .figures import figure_table
from .tiers import migration_table, tier_table

console = Console()
_aside = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON object, as it is, for a script."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def describe_error(error: Exception) -> dict[str, Any]:
    """An error as a script reads it."""
    described = {"ok": False, "error": str(error), "kind": type(error).__name__}
    if isinstance(error, CorruptionError):
        described |= {"file": error.file, "offset": error.offset}
    return described


@contextmanager
def told_as(json: bool) -> Iterator[None]:
    """Prints an error as one JSON object, too, if a script is to read it."""
    try:
        yield
    except BrokenPipeError:  # nobody reads any more
        raise
    except (EngramError, OSError) as error:
        if json:
            print_json(describe_error(error))
        raise


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on a terminal, for what has no measure."""
    with _aside.status(f"{what} ..."):
        yield


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=_aside, transient=True) as bars:
        yield bars


def print_stats(path: str, figures: dict[str, Any]) -> None:
    """The tiers of a store, its last migrations, and its counters part by part."""
    console.print(path, style="bold", highlight=False, soft_wrap=True, markup=False)
    console.print(tier_table(figures), highlight=False)
    console.print()
    migrations = migration_table(figures)
    if migrations is not None:
        console.print(migrations, highlight=False)
        console.print()
    console.print(figure_table(figures), highlight=False)


def print_repair(path: str, report: RepairReport) -> None:
    """What a repair found, kept and could not keep."""
    for line in _repair_lines(path, report):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _repair_lines(path: str, report: RepairReport) -> Iterator[str]:
    if not report.damaged:
        yield f"{path} is sound: nothing is damaged, nothing was changed. It holds {report.kept:,} memories."
        return
    if report.finished:
        yield "Finished a repair that had been cut short. It had found:"
    yield from (f"Damaged: {each}" for each in report.damage)
    yield f"Kept: {report.kept:,} memories. The damaged files are in {report.kept_aside}."
    for what, ids in (
        ("Gone", report.gone),
        ("Kept without content, metadata and created_at, which are lost", report.texts_lost),
        ("Back in an older version, or though forgotten", report.outdated),
    ):
        if ids:
            yield f"{what}: {len(ids):,}"
            yield from (f"  {id}" for id in ids)
    if report.unnamed:
        yield f"Gone, and their ids with them: at most {report.unnamed:,}"
    for each in report.unreadable:
        where = f"{each.file}, byte {each.offset:,}, {each.bytes:,} bytes" if each.bytes else each.file
        lsns = f"LSN {each.begin_lsn} to {each.end_lsn}" if each.end_lsn else "of no known LSN"
        yield f"Unreadable: {where} ({lsns}); what it held is unknown"
    if report.unreadable:
        yield "What was stored there is gone; ids replaced or forgotten there may be back as they were."
    if report.end_unknown:
        yield "How far the log went cannot be told any more: what was stored last may be gone, too."
    if report.lossless:
        yield "Nothing is lost."


def print_hits(found: Recall) -> None:
    """A table of hits, nearest first."""
    table = Table(box=None)
    table.add_column("distance", justify="right")
    table.add_column("id", overflow="fold")
    table.add_column("content", overflow="fold")
    for hit in found:
        table.add_row(f"{hit.distance:.4f}", _plain(hit.id), _plain(hit.content or ""))
    console.print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
