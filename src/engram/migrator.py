"""Moves memories between the tiers as the policy wants it, by a timer and when the hot tier is too large."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import _activity, _native
from ._clock import Clock
from ._errors import EngramError, StoreClosed
from ._events import tell
from ._flag import Flag
from ._inside import is_mine, make_lock, refuse_if_mine
from ._threads import join_through_interrupts
from ._tier_statistics import tiers_of
from .catalog import Catalog
from .checkpoints import Checkpoints
from .indexer import Indexer
from .migration import MigrationReport, Moves, Reason, add, check_plan, last_of_each, within_budget
from .policy import TIERS, MigrationPolicy, Population, Tier, TierBudgets

REMEMBERED = 20  # reports
# The hot tier may be over its budget by so much before indexing waits for what is on its way down.
PATIENCE = 1.25
# A migration that left the hot tier over its budget is not followed by the next before it has grown so much.
GROWTH = 1.05
# When so much of the hot tier has gone or come, its checkpoint is taken anew: the old one takes disk for what
# has gone, and what has come is read from below until there is one.
CHANGED = 1 / 3
_LEAST_BATCH = 16 << 20  # bytes
_OVERHEAD = 320  # bytes a memory takes in the graph beside its vector and its code


@dataclass(frozen=True)
class Pace:
    """When the thread works, and how fast it writes.

    Attributes
    ----------
    interval : seconds between two migrations; None: there is no thread
    bandwidth : bytes a second; None: as fast as it goes
    """

    interval: float | None
    bandwidth: float | None


class Migrator:
    """Asks the policy and carries out what it answers, one migration at a time.

    Either the thread that `start` starts works, or whoever calls `run`. A policy that fails, or asks for what
    cannot be, is logged and counted, and the store goes on as it is.
    """

    def __init__(
        self,
        store: _native.Store,
        catalog: Catalog,
        checkpoints: Checkpoints,
        indexer: Indexer,
        policy: MigrationPolicy,
        budgets: TierBudgets,
        pace: Pace,
        clock: Clock,
        folder: Path | None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._checkpoints = checkpoints
        self._indexer = indexer
        self._policy = policy
        self._budgets = budgets
        self._pace = pace
        self._clock = clock
        self._folder = folder
        self._working = make_lock()  # held during a migration
        self._wake = Flag()
        self._over = False  # why it was woken
        self._ended = Flag()  # set by each migration that ends
        self._row_bytes = 5 * store.dim + _OVERHEAD  # in the hot tier; as measured, once there are some
        self._left_at = 0  # what the last migration left in the hot tier, in bytes
        self._stopping = Flag()
        self._thread: threading.Thread | None = None
        self._at_end: Callable[[], None] | None = None
        self.runs = 0
        self.failures = 0
        self.unknown = 0
        self.refused = 0
        self.last: deque[MigrationReport] = deque(maxlen=REMEMBERED)
        self.last_error: BaseException | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether this very thread migrates, or is the one that does."""
        return self._thread is threading.current_thread() or is_mine(self._working)

    def run(self, reason: Reason = "asked") -> MigrationReport:
        """Migrates now; waits for one that is under way.

        Raises
        ------
        EngramError
            The policy answers what cannot be done, or a write failed; what had moved by then has moved. What
            the policy itself raises comes as it is. Or it is called within a migration, by the policy.
        """
        refuse_if_mine(self._working)
        with self._working:
            try:
                return self._run(reason)
            except BaseException as error:
                self.failures += 1
                self.last_error = error
                raise
            finally:
                self._ended.set()

    def look(self) -> None:
        """Wakes the thread when the hot tier is over its budget; waits for it when it is far over.

        For the indexer, after each batch: so a load that never pauses cannot outrun what makes room for it.
        """
        if not self.alive or self._stopping.is_set() or self.is_here:
            return
        size = self._hot_bytes()
        if size <= self._limit(1.0):
            return
        self._over = True
        self._ended.clear()
        self._wake.set()
        if size > self._limit(PATIENCE):
            while self.alive and not self._stopping.is_set() and not self._ended.wait(0.1):
                pass

    def population(self, now: float | None = None) -> Population:
        """Every memory that is indexed, as of now."""
        table = self._store.tier_table(self._clock.now() if now is None else now)
        hot = table["bytes"][table["tier"] == Tier.HOT]
        if len(hot):
            self._row_bytes = int(hot[0])
        return Population.of(table, self._row_bytes)

    def start(self) -> None:
        """Starts the thread, if there is to be one."""
        if self._pace.interval is None:
            return
        self._thread = threading.Thread(target=self._loop, name="engram-migrator", daemon=True)
        self._thread.start()

    def stop(self, then: Callable[[], None]) -> bool:
        """Has the thread end soon. Within that very thread `then` is called at its end: True is returned."""
        self._stopping.set()
        self._wake.set()
        self._ended.set()
        if self._thread is not threading.current_thread():
            return False
        self._at_end = then  # the garbage collector dropped the store right here
        return True

    def join(self) -> KeyboardInterrupt | None:
        """Waits for the thread to end."""
        return join_through_interrupts(self._thread)

    def keep_activity(self) -> None:
        """Writes down what the tiers did, for those who look at the store later."""
        if self._folder is None:
            return
        try:
            now = self._clock.now()
            counted = self._store.stats()
            if not self.last and not any(counted[tier]["recalls"] for tier in TIERS):
                return  # nothing was done: what the last process did is still the latest
            tiers = tiers_of(counted, self.population(now), self._folder)
            _activity.save(self._folder, now, tiers, self.last)
        except Exception as error:  # the clock is the program's; closed meanwhile
            tell(logging.DEBUG, "activity.lost", f"what the tiers did could not be kept: {error}")

    def statistics(self) -> dict[str, Any]:
        """What the migrations came to since the store was opened."""
        return {
            "alive": self.alive,
            "runs": self.runs,
            "failures": self.failures,
            "unknown_keys": self.unknown,
            "refused": self.refused,
            "trouble": None if self.last_error is None else f"{self.last_error}",
            "last": [asdict(report) for report in self.last],
        }

    def _run(self, reason: Reason) -> MigrationReport:
        run = _Run(MigrationReport(self._clock.now(), reason))
        try:
            self._migrate(run, None if reason == "asked" else self._pace.bandwidth)
        except BaseException as error:
            run.report = replace(run.report, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            self._remember(run.report)
        self.keep_activity()
        return run.report

    def _migrate(self, run: _Run, bandwidth: float | None) -> None:
        self._carry_out(self._planned(run), run, bandwidth)
        run.report = add(run.report, self._store.compact(bandwidth))
        if any(way.endswith("->hot") for way in run.report.moved):
            self._checkpoints.came_up = True
        hot = sum(count for way, count in run.report.moved.items() if "hot" in way)
        if hot and hot >= CHANGED * self._store.stats()["hot"]["memories"]:
            with self._indexer.paused():
                self._checkpoints.take()

    def _planned(self, run: _Run) -> Moves:
        population = self.population(run.report.at)  # let go of before anything moves
        named = check_plan(self._policy.plan(population, self._budgets), self._policy)
        plan = last_of_each(named)
        moves, refused = within_budget(plan, population, self._budgets.hot)
        run.report = replace(run.report, refused=refused, stayed=len(named) - len(plan))
        return moves

    def _carry_out(self, moves: Moves, run: _Run, bandwidth: float | None) -> None:
        if not len(moves):
            return
        with self._indexer.paused():  # which commits what is indexed
            durable = self._catalog.applied
            self._catalog.sync()  # nothing may lie in a segment whose text is not on the disk
        for keys, tiers in moves.batches(max(_LEAST_BATCH, self._budgets.hot // 2)):
            if self._stopping.is_set():
                return
            run.report = add(run.report, self._store.move(keys, tiers, durable, bandwidth))

    def _remember(self, report: MigrationReport) -> None:
        self.runs += 1
        self.unknown += report.unknown
        self.refused += report.refused
        self.last.append(report)
        if report.error is None:
            self.last_error = None
        if not self._stopping.is_set():
            self._left_at = self._hot_bytes()

    def _hot_bytes(self) -> int:
        """What the memories of the hot tier take in RAM; those that wait for the index do not count."""
        hot = self._store.stats()["hot"]
        return int(max(0, hot["memories"] - self._store.depth) * self._row_bytes)

    def _limit(self, patience: float) -> float:
        """What the hot tier may take before something is done."""
        limit = patience * self._budgets.hot
        return max(limit, GROWTH * self._left_at) if self._left_at > self._budgets.hot else limit

    def _loop(self) -> None:
        while True:
            self._wake.wait(self._pace.interval)
            if self._stopping.is_set():
                break
            self._wake.clear()
            reason: Reason = "budget" if self._over else "time"
            self._over = False
            try:
                self.run(reason)
            except BaseException as error:  # also SystemExit of a policy: one that fails ends nothing
                with contextlib.suppress(BaseException):  # of a log handler
                    self._report(error)
        if self._at_end is not None:
            self._at_end()

    def _report(self, error: BaseException) -> None:
        if isinstance(error, StoreClosed) and self._stopping.is_set():
            return  # what moved when the store was closed is where it was
        trace = None if isinstance(error, EngramError) else error
        tell(
            logging.ERROR,
            "migration.failed",
            f"memories could not be moved between tiers; the store goes on: {error}",
            error=trace,
        )


class _Run:
    """One migration: its report so far."""

    def __init__(self, report: MigrationReport) -> None:
        self.report = report
