"""The parts a store is made of, opened and shut together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from . import _native
from ._checks import check_word
from ._clock import Clock
from ._durations import parse_duration
from ._errors import CorruptionError, EngramError
from ._inside import INSIDE
from ._prober import Prober
from ._sizes import Size, parse_size
from .catalog import Catalog
from .catalog_open import open_catalog
from .checkpoints import Checkpoints
from .config import Config
from .indexer import Indexer
from .migrator import Migrator, Pace
from .policy import budgets_of, half_life_of

Fsync: TypeAlias = Literal["always", "interval", "never"]


def check_fsync(fsync: object) -> Fsync | None:
    """`fsync` if it is one of the three modes, or None for the store's own."""
    return None if fsync is None else check_word("fsync", fsync, get_args(Fsync))


@dataclass(frozen=True)
class Parts:
    """A native store, its catalog and what brings memories from the one into the other.

    They do not know the `MemoryStore` they belong to, so that they can be shut when it is dropped.
    """

    native: _native.Store
    catalog: Catalog
    checkpoints: Checkpoints
    indexer: Indexer
    migrator: Migrator
    prober: Prober
    read_only: bool

    def refuse_inside(self) -> None:
        """Raises where a call that waits for indexing or migrating would wait for its own thread."""
        if self.is_inside:
            raise EngramError(INSIDE)

    @property
    def is_inside(self) -> bool:
        """Whether this thread is at work for the store, and the program's code was called from there."""
        return self.migrator.is_here or self.indexer.is_here

    def shut(self) -> None:
        """Ends the threads and closes the files; what is not indexed yet stays in the log.

        May be called again. Ctrl-C does not end it half way: it is raised when all is closed.
        """
        interrupted = None
        while True:
            try:
                self._shut()
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _shut(self) -> None:
        if self.migrator.stop(then=self._shut_others):
            return
        try:
            self._shut_others()  # which closes the files: that ends a move under way
        finally:
            interrupted = self.migrator.join()
        if interrupted is not None:
            raise interrupted

    def _shut_others(self) -> None:
        try:
            self.prober.stop()
        finally:
            self.indexer.stop(then=self._close_files)

    def abandon(self) -> None:
        """Lets go in a forked child. The native store looks after itself."""
        self.catalog.abandon()

    def _close_files(self) -> None:
        try:
            self.catalog.close()
        finally:
            self.native.close()


def open_parts(
    path: Path | None, dim: int | None, metric: str | None, *, fsync: str, config: Config, read_only: bool
) -> Parts:
    """Takes the lock, replays the log and starts the indexer."""
    native = _native.Store(
        None if path is None else str(path),
        dim,
        metric,
        fsync=fsync,
        fsync_interval_ms=config.fsync_interval_ms,
        read_only=read_only,
        queue_capacity=config.queue_capacity,
        queue_bytes=parse_size(config.queue_bytes, "queue_bytes"),
        batch_bytes=parse_size(config.batch_bytes, "batch_bytes"),
        m=config.M,
        ef_construction=config.ef_construction,
        seed=config.seed,
        threads=config.threads,
        page_cache_bytes=parse_size(config.page_cache_bytes, "page_cache_bytes"),
        half_life=half_life_of(config.policy),
    )
    try:
        if path is not None:
            budgets_of(config.policy).check_against(native.dim)
        catalog = open_catalog(path, read_only=read_only)
    except BaseException:
        native.close()
        raise
    parts = _put_together(native, catalog, config, path, read_only)
    try:
        _check_catalog(native, catalog, path)  # before the replay, which would lift it over what it lacks
        before = catalog.applied
        native.recover(parts.indexer.drain)
        _check_agreement(native, catalog, path)
        if path is not None and not read_only:
            parts.checkpoints.sweep.arm(after_kill=catalog.applied > before > 0)
        if config.indexing == "async" and not read_only:
            parts.indexer.start()
        parts.prober.start()
        if path is not None and not read_only:
            parts.indexer.after_batch = parts.migrator.look
            parts.migrator.start()
    except BaseException:
        parts.shut()
        raise
    return parts


def _put_together(
    native: _native.Store, catalog: Catalog, config: Config, path: Path | None, read_only: bool
) -> Parts:
    checkpoints = Checkpoints(native, catalog, _size(config.checkpoint_bytes, "checkpoint_bytes"))
    indexer = Indexer(native, catalog, checkpoints)
    interval = config.migration_interval
    pace = Pace(
        None if interval is None else parse_duration(interval, "migration_interval"),
        _size(config.compaction_bandwidth, "compaction_bandwidth"),
    )
    migrator = Migrator(
        native,
        catalog,
        checkpoints,
        indexer,
        config.policy,
        budgets_of(config.policy),
        pace,
        Clock(config.clock),
        path,
    )
    prober = Prober(native, config.recall_probe)
    return Parts(native, catalog, checkpoints, indexer, migrator, prober, read_only)


def _size(size: Size | None, name: str) -> int | None:
    return None if size is None else parse_size(size, name)


def _check_catalog(native: _native.Store, catalog: Catalog, path: Path | None) -> None:
    if catalog.applied < native.catalog_lsn:
        raise CorruptionError(
            f"the catalog in {path} has applied the log up to {catalog.applied}, but what was stored "
            f"before {native.catalog_lsn} is read from the log no more: the catalog is lost or too old; "
            "restore the folder, or run `engram repair`",
            str(path),
        )


def _check_agreement(native: _native.Store, catalog: Catalog, path: Path | None) -> None:
    if catalog.applied > native.end_lsn:
        raise CorruptionError(
            f"the catalog in {path} has applied the log up to {catalog.applied}, but the log ends at "
            f"{native.end_lsn}: a part of the log is lost, or the catalog belongs to another store; restore "
            "the folder, or run `engram repair` to keep what can be kept",
            str(path),
        )
