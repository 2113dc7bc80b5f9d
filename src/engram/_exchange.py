"""Puts a repaired store in the place of a damaged one, so that a kill at any instant can be gone on from.

The new files stand whole in ``repair.ready`` before the first old one moves; its appearing (one rename)
decides that the exchange will be carried through, by this process or by the next `engram repair`. The
manifest moves last: as long as it stands in ``repair.ready``, `engram.open` refuses, and says so. Every step
can be done again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from . import _activity, _native
from ._repair_report import RepairReport

BUILDING = "repair.tmp"
READY = "repair.ready"
_ASIDE = "damaged"  # within READY: the old files, until all of them are there
_REPORT = "report.json"
_NAMES = ("manifest", "manifest.tmp", "wal", "activation", "activation.tmp", _activity.NAME)


def begin(folder: Path, new: Path, report: RepairReport) -> None:
    """Makes the store in `new`, which is closed, the one that `folder` is to hold."""
    (new / _ASIDE).mkdir()
    report.save(new / _ASIDE / _REPORT)
    _sync_all(new)
    _native.rename(new, folder / READY)
    _native.sync_folder(folder)


def is_under_way(folder: Path) -> bool:
    return (folder / READY / "manifest").exists()


def finish(folder: Path) -> RepairReport:
    """Moves the damaged files aside and the new ones into place, from wherever that was left."""
    ready = folder / READY
    if (ready / _ASIDE).exists():
        _move([each for each in folder.iterdir() if _is_of_a_store(each.name)], ready / _ASIDE)
        _native.rename(ready / _ASIDE, folder / f"damaged-{_last_aside(folder) + 1}")
        _native.sync_folder(folder)
        _native.sync_folder(ready)
    aside = folder / f"damaged-{_last_aside(folder)}"
    report = RepairReport.load(aside / _REPORT)
    report.kept_aside = str(aside)
    rest = [each for each in ready.iterdir() if _is_of_a_store(each.name) and each.name != "manifest"]
    _move(rest, folder)
    _move([ready / "manifest"], folder)
    clear(folder)
    return report


def clear(folder: Path) -> None:
    """Removes what an exchange that is done, or a repair that never came to one, has left."""
    for name in (READY, BUILDING):
        if (folder / name).exists():
            shutil.rmtree(folder / name)


def _move(files: list[Path], to: Path) -> None:
    for file in sorted(files):
        _native.rename(file, to / file.name)
    _native.sync_folder(to)
    for folder in {file.parent for file in files}:
        _native.sync_folder(folder)


def _is_of_a_store(name: str) -> bool:
    return name in _NAMES or name.startswith(("catalog.sqlite", "hot-", "seg-", "tiers-"))


def _last_aside(folder: Path) -> int:
    numbers = [each.name.removeprefix("damaged-") for each in folder.glob("damaged-*")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _sync_all(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            _sync_all(each)
        else:
            _native.sync_file(each)
    _native.sync_folder(folder)
