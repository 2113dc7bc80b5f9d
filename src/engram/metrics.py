"""What a store tells about itself, for monitoring: Prometheus and OpenTelemetry, each behind its extra.

Both look at the store when they are asked, and cost it nothing in between. They do not keep it alive, and
have nothing to tell once it is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._errors import InvalidInput, StoreClosed
from .store import MemoryStore

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from prometheus_client.registry import CollectorRegistry

    from ._opentelemetry import StoresObserver
    from ._prometheus import StoresCollector

__all__ = ["opentelemetry", "prometheus"]


@dataclass(frozen=True)
class _Figure:
    """One number of `MemoryStore.stats`."""

    name: str
    help: str
    part: str | None
    key: str
    counts: bool = False  # it only grows

    def of(self, stats: dict[str, Any]) -> float:
        found: float = (stats if self.part is None else stats[self.part])[self.key]
        return found


_FIGURES = (
    _Figure("memories", "Memories held", None, "memories"),
    _Figure("queue_memories", "Memories that wait for the index or the catalog", "queue", "memories"),
    _Figure("queue_bytes", "RAM they take", "queue", "bytes"),
    _Figure("queue_pending_memories", "Memories that every recall scans", "queue", "pending"),
    _Figure("queue_capacity_memories", "As many may wait before store waits", "queue", "capacity"),
    _Figure("queue_pauses", "Stores that paused for the sake of recalls", "queue", "pauses", True),
    _Figure("set_aside_memories", "Memories that could not be indexed", "queue", "set_aside"),
    _Figure("log_records", "Records written to the log", "log", "records", True),
    _Figure("log_bytes", "Bytes written to the log", "log", "bytes", True),
    _Figure("log_syncs", "Syncs of the log", "log", "syncs", True),
    _Figure("log_failed", "1 once a write or sync failed: nothing more can be stored", "log", "failed"),
    _Figure("hot_bytes", "RAM the graph takes", "hot", "bytes"),
    _Figure("checkpoint_replay_bytes", "Log that opening would replay", "checkpoint", "replay_bytes"),
    _Figure("indexer_batches", "Batches put into the graph", "indexer", "batches", True),
    _Figure("indexer_failures", "Failures to index or to commit", "indexer", "failures", True),
    _Figure("indexer_restarts", "Times its thread was started again", "indexer", "restarts", True),
)
_TIMES = {
    "store": "Calls that store or forget",
    "log_sync": "Syncs of the log",
    "index_lag": "Of each memory, from being visible to being in the index",
    "recall": "Recalls",
    "recall_pending": "The part of recalls that scans what is pending",
    "recall_hot": "The part of recalls that walks the hot graph",
}
_RECALL = {
    "recall": ("recall_at_10", "Measured recall at 10, of the hot tier"),
    "low": ("recall_at_10_low", "Lower end of its 95 % confidence interval"),
    "high": ("recall_at_10_high", "Upper end of its 95 % confidence interval"),
    "cues": ("recall_at_10_cues", "Recalls that it was measured on"),
}
_SECONDS = 1e-9  # from nanoseconds
_QUANTILES = (0.5, 0.95, 0.99)


def prometheus(
    store: MemoryStore,
    registry: CollectorRegistry | None = None,
    *,
    labels: dict[str, str] | None = None,
) -> StoresCollector:
    """Has a registry of prometheus-client tell a store's figures (the extra ``prometheus``).

    Every figure has the label ``store``: the path of its store, so that one registry can tell of several.

    Parameters
    ----------
    store : what is told about
    registry : where; the default is prometheus-client's own
    labels : put on every figure besides; ``{"store": "notes"}`` takes the place of the path

    Returns
    -------
    StoresCollector
        The registry's one collector of stores: its ``remove(store)`` ends this, ``registry.unregister`` takes
        all of its stores out.

    Raises
    ------
    InvalidInput
        Another open store has the same labels there, or this one has others.
    """
    try:
        from prometheus_client import REGISTRY
    except ImportError as error:
        raise _missing("prometheus-client", "prometheus") from error
    from ._prometheus import collector_of

    labels = _labels_of(store, labels)
    collector = collector_of(REGISTRY if registry is None else registry)
    collector.add(store, labels)
    return collector


def opentelemetry(
    store: MemoryStore, meter: Meter | None = None, *, attributes: dict[str, str] | None = None
) -> StoresObserver:
    """Has OpenTelemetry instruments observe a store (the extra ``opentelemetry``).

    Times are gauges ``engram.<what>.seconds`` with the attribute ``quantile``, and counters
    ``engram.<what>.count``: there is no observable histogram. Every observation has the attribute ``store``:
    the path of its store, so that one meter can tell of several.

    Parameters
    ----------
    store : what is told about
    meter : which creates the instruments; the default is that of the global provider, named "engram"
    attributes : put on every observation besides ``store``, whose place they can take

    Returns
    -------
    StoresObserver
        The meter's one observer of stores: its ``remove(store)`` ends this.

    Raises
    ------
    InvalidInput
        Another open store has the same attributes there, or this one has others.
    """
    try:
        from ._opentelemetry import observer_of
    except ImportError as error:
        raise _missing("opentelemetry-api", "opentelemetry") from error
    labels = _labels_of(store, attributes)
    observer = observer_of(meter)
    observer.add(store, labels)
    return observer


def _labels_of(store: MemoryStore, labels: dict[str, str] | None) -> dict[str, str]:
    if not isinstance(store, MemoryStore):
        raise InvalidInput(
            f"the store is of type {type(store).__name__}; give a MemoryStore (an AsyncMemoryStore has one: "
            "its .sync)"
        )
    return {"store": "in RAM" if store.path is None else str(store.path), **(labels or {})}


def stats_of(store: MemoryStore | None) -> dict[str, Any] | None:
    """What a store tells; None when it is gone or closed."""
    try:
        return None if store is None else store.stats()
    except StoreClosed:
        return None


def _missing(package: str, extra: str) -> InvalidInput:
    return InvalidInput(f"{package} is not installed: pip install 'engram-store[{extra}]'")
