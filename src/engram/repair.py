"""`repair`: a store that cannot be read any more, built again from what of it can."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import _exchange, _native
from ._checks import check_int, check_word
from ._errors import CorruptionError, EngramError, InvalidInput, OutOfSpace
from ._repair_report import RepairReport, Stretch
from ._salvage import Piece, Salvage
from .catalog_open import FILE_NAME
from .opening import MAX_DIM, check_folder
from .opening import open as open_store
from .store import MemoryStore

__all__ = ["RepairReport", "Stretch", "repair"]


def repair(
    path: str | os.PathLike[str], *, dim: int | None = None, metric: str | None = None
) -> RepairReport:
    """Keeps every memory of a damaged store that can be read; a sound store is left as it is.

    Memories come from the checkpoint's files and the segments where they can be read, then from every record
    of the log whose checksum holds; texts of the former from the catalog. A new store is built beside,
    verified, and put in place; the damaged files are kept in ``PATH/damaged-N``. A repair that is killed can
    be run again: the store is then still the old one, already the new one, or refuses to open until then.

    Parameters
    ----------
    path : the folder of the store
    dim, metric : needed only when neither the manifest nor the checkpoint's graph can be read; must be the
        store's when it is known

    Raises
    ------
    StoreLocked
        Somebody has it open.
    InvalidInput
        It is no store, or dim and metric are needed or are wrong (a dim that is not the store's:
        DimensionMismatch).
    OutOfSpace
        There is no room for the new store; the old one is as it was.
    """
    folder = check_folder(path)
    if dim is not None:
        dim = check_int("dim", dim, 1, MAX_DIM)
    if metric is not None:
        check_word("metric", metric, ("cosine", "l2", "ip"))
    with _told(folder):
        _check_is_store(folder)
        return _finish_begun(folder) or _repair(folder, dim, metric)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tells of a full disk what a repair needs, and of what the system refuses as an error of Engram's."""
    try:
        yield
    except (OSError, EngramError) as error:
        if _is_of_a_full_disk(error):
            raise OutOfSpace(
                f"no room to repair {folder}, of which nothing is lost by that: free some space, as much "
                f"as the store takes, and run `engram repair` again ({error})"
            ) from error
        if isinstance(error, OSError):
            raise EngramError(f"{folder} cannot be repaired: {error}") from error
        raise


def _is_of_a_full_disk(error: Exception) -> bool:
    codes = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in codes
    return isinstance(error, OutOfSpace) or any(os.strerror(code) in str(error) for code in codes)


def _finish_begun(folder: Path) -> RepairReport | None:
    """Finishes a repair whose exchange of files had begun; removes what an earlier one has left."""
    lock = _native.FolderLock(folder)
    try:
        if _exchange.is_under_way(folder):
            report = _exchange.finish(folder)
            report.finished = True
            return report
        _exchange.clear(folder)
        return None
    finally:
        lock.release()


def _repair(folder: Path, dim: int | None, metric: str | None) -> RepairReport:
    damage = _find_damage(folder, dim, metric)
    if damage is None:
        return RepairReport(kept=_count(folder))
    lock = _native.FolderLock(folder)
    try:
        return _rebuild(folder, damage, dim, metric)
    finally:
        lock.release()


def _check_is_store(folder: Path) -> None:
    names = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    ours = {"manifest", "wal", FILE_NAME, _exchange.READY}
    if not (names & ours or any(name.startswith(("hot-", "seg-")) for name in names)):
        raise InvalidInput(f"{folder} is not an Engram store: there is nothing in it to repair")


def _find_damage(folder: Path, dim: int | None, metric: str | None) -> str | None:
    """What is damaged first; None: nothing."""
    if not (folder / "manifest").exists():
        return f"the manifest {folder / 'manifest'} is missing"
    try:
        with open_store(folder, dim, metric=metric, read_only=True) as store:  # type: ignore[arg-type]
            store.verify()
    except CorruptionError as error:
        return str(error)
    return None


def _count(folder: Path) -> int:
    with open_store(folder, read_only=True) as store:
        return len(store)


def _rebuild(folder: Path, damage: str, dim: int | None, metric: str | None) -> RepairReport:
    scratch = folder / _exchange.BUILDING
    scratch.mkdir()
    try:
        salvage = Salvage(folder, dim, metric, scratch / "catalog")
        try:
            if damage not in salvage.report.damage:
                salvage.report.damage.insert(0, damage)
            _build(salvage, folder / "wal", scratch / "new")
        finally:
            salvage.close()
        _exchange.begin(folder, scratch / "new", salvage.report)
    except BaseException:
        if not _exchange.is_under_way(folder):
            _exchange.clear(folder)
        raise
    return _exchange.finish(folder)


def _build(salvage: Salvage, wal: Path, new: Path) -> None:
    with open_store(new, salvage.dim, metric=salvage.metric, fsync="never") as store:  # type: ignore[arg-type]
        _put(store, salvage.in_tiers())

        def see(entries: list[Any]) -> None:
            _put(store, salvage.in_log(entries))

        _native.salvage_log(wal, salvage.dim, True, see)
        store.flush()
        store.checkpoint()
    with open_store(new, read_only=True) as store:
        store.verify()
        if set(store) != salvage.ids:
            raise EngramError(
                f"the new store {new} does not hold what could be read of the old one, which is as it was: "
                "this is a fault of Engram, please report it"
            )


def _put(store: MemoryStore, pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        store.restore(
            piece.id, piece.vector, piece.content, piece.metadata, piece.confidence, piece.created_at
        )
