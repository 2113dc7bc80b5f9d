"""The settings of a store beyond its path, dimension and metric."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ._checks import check_int, check_number
from ._durations import Duration, parse_duration
from ._errors import InvalidInput
from ._sizes import Size, parse_size
from .activation_policy import ActivationPolicy
from .latency import LatencyBudgets
from .policy import MigrationPolicy, budgets_of, half_life_of

Indexing = Literal["async", "sync"]

SMALLEST_CACHE = 1 << 20  # a list of codes in each of its parts


@dataclass(frozen=True)
class Config:
    """How a store works; the defaults are the good settings.

    Nothing here is written into the store: each ``open`` may use another.

    Parameters
    ----------
    M : links per memory in the graph, 2 to 512; more finds more and takes more RAM
    ef_construction : candidates among which the links of a memory are chosen; of more than 100 the nearest
        two thirds, and at least 100, are walked on from
    seed : what the levels of the graph are drawn from
    threads : native threads for indexing and ``recall_many``; 0 is one per processor
    fsync_interval_ms : milliseconds between two syncs under ``fsync="interval"``
    batch_bytes : the most ``store_many`` writes as one atomic piece, e.g. ``"4MiB"``
    queue_capacity, queue_bytes : how many memories may wait for the index, and how much RAM they may take
        meanwhile, before ``store`` waits for it
    checkpoint_bytes : log after which the graph is written to disk by itself, so that opening replays no more
        (once it is also a third as large as the graph); None: only when ``checkpoint()`` is called
    indexing : "async" (a thread indexes behind the callers) or "sync" (each call indexes what it stored)
    recall_probe : the share of a processor, 0 to 1, that may go into measuring the recall of the store's own
        hot tier (``stats()["recall_at_10"]``); 0: it is not measured
    clock : seconds since the epoch; what ``created_at`` and activations are read from
    policy : decides which memories live in which tier: an `ActivationPolicy`, or a class of your own with
        the method `MigrationPolicy.plan`
    budgets : how long each tier may take in a recall
    page_cache_bytes : RAM for what is read of the cold tier
    migration_interval : time between two migrations, e.g. ``"60s"``; None: only when `migrate()` is called
    compaction_bandwidth : bytes a second that migrations and compactions in the background may write; None:
        as many as the disk takes
    """

    M: int = 16
    ef_construction: int = 200
    seed: int = 0
    threads: int = 0
    fsync_interval_ms: int = 50
    batch_bytes: Size = "4MiB"
    queue_capacity: int = 65_536
    queue_bytes: Size = "256MiB"
    checkpoint_bytes: Size | None = "64MiB"
    indexing: Indexing = "async"
    recall_probe: float = 0.01
    clock: Callable[[], float] = time.time
    policy: MigrationPolicy = field(default_factory=ActivationPolicy)
    budgets: LatencyBudgets = field(default_factory=LatencyBudgets)
    page_cache_bytes: Size = "64MiB"
    migration_interval: Duration | None = "60s"
    compaction_bandwidth: Size | None = "64MiB"

    def __post_init__(self) -> None:
        check_int("M", self.M, 2, 512)
        check_int("ef_construction", self.ef_construction, 1, 100_000)
        check_int("seed", self.seed, 0, 2**64 - 1)
        check_int("threads", self.threads, 0, 1024)
        check_int("fsync_interval_ms", self.fsync_interval_ms, 1, 3_600_000)
        check_int("queue_capacity", self.queue_capacity, 1, 2**31 - 1)
        parse_size(self.queue_bytes, "queue_bytes")
        parse_size(self.batch_bytes, "batch_bytes")
        if self.checkpoint_bytes is not None:
            parse_size(self.checkpoint_bytes, "checkpoint_bytes")
        share = check_number("recall_probe", self.recall_probe, "give a share of a processor, 0 to 1")
        if not 0 <= share <= 1:
            raise InvalidInput(f"recall_probe is {share}; give a share of a processor, 0 to 1")
        if self.indexing not in ("async", "sync"):
            raise InvalidInput(f'indexing is {self.indexing!r}; it is "async" or "sync"')
        if not callable(self.clock):
            raise InvalidInput(f"clock is {self.clock!r}; give a callable that returns seconds")
        self._check_tiers()

    def _check_tiers(self) -> None:
        if isinstance(self.policy, type) or not isinstance(self.policy, MigrationPolicy):
            raise InvalidInput(
                f"policy is {self.policy!r}; give an engram.ActivationPolicy(), or an object with a method "
                "plan(population, budgets)"
            )
        budgets_of(self.policy)
        half_life_of(self.policy)
        if not isinstance(self.budgets, LatencyBudgets):
            raise InvalidInput(f"budgets is {self.budgets!r}; give an engram.LatencyBudgets")
        if parse_size(self.page_cache_bytes, "page_cache_bytes") < SMALLEST_CACHE:
            raise InvalidInput(
                f"page_cache_bytes is {self.page_cache_bytes!r}, which holds too few lists to be of use; "
                f"give at least {SMALLEST_CACHE} bytes"
            )
        if self.migration_interval is not None:
            seconds = parse_duration(self.migration_interval, "migration_interval")
            if seconds > threading.TIMEOUT_MAX:
                raise InvalidInput(
                    f"migration_interval is {self.migration_interval!r}, longer than a thread can wait; give "
                    f"at most {threading.TIMEOUT_MAX:.0f} seconds, or None for none by itself"
                )
        if self.compaction_bandwidth is not None:
            parse_size(self.compaction_bandwidth, "compaction_bandwidth")
