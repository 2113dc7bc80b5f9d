"""The collector that `engram.metrics.prometheus` registers: one a registry, for all stores it tells about."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ._errors import InvalidInput, StoreClosed
from ._told import ToldStores
from .metrics import _FIGURES, _RECALL, _SECONDS, _TIMES, stats_of
from .store import MemoryStore

_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS = ("le", "quantile")  # Prometheus' own

_collectors: weakref.WeakKeyDictionary[CollectorRegistry, StoresCollector] = weakref.WeakKeyDictionary()
_finding = threading.Lock()


def collector_of(registry: CollectorRegistry) -> StoresCollector:
    """The one of a registry; registered, again if it had been taken out."""
    with _finding:
        collector = _collectors.setdefault(registry, StoresCollector())
        registry.register(collector)  # which, of what names no metric beforehand, may be done twice
    return collector


class StoresCollector(Collector):  # type: ignore[misc]
    """Metric families of some stores, read when they are asked for; from any thread.

    One for all of them: a metric of several stores is told once, with a label that says whose each value is.
    """

    def __init__(self) -> None:
        self._stores = ToldStores()

    def add(self, store: MemoryStore, labels: dict[str, str]) -> None:
        """Tells of a store from now on, under these labels."""
        self._stores.add(store, {_checked(name): str(value) for name, value in labels.items()})

    def remove(self, store: MemoryStore) -> None:
        """Tells no more of a store."""
        self._stores.remove(store)

    def collect(self) -> Iterator[Metric]:
        known = self._stores.known()
        names = sorted({name for _, labels in known for name in labels})
        told = [
            ([labels.get(name, "") for name in names], stats, histograms)
            for store, labels in known
            for stats, histograms in _read(store)
        ]
        if not told:
            return
        for figure in _FIGURES:
            family = CounterMetricFamily if figure.counts else GaugeMetricFamily
            metric = family(f"engram_{figure.name}", figure.help, labels=names)
            for values, stats, _ in told:
                metric.add_metric(values, figure.of(stats))
            yield metric
        for name, help in _TIMES.items():
            metric = HistogramMetricFamily(f"engram_{name}_seconds", help, labels=names)
            for values, _, histograms in told:
                seen = histograms[name]
                buckets = [(repr(end * _SECONDS), count) for end, count in seen.buckets]
                metric.add_metric(values, [*buckets, ("+Inf", seen.count)], seen.sum * _SECONDS)
            yield metric
        for key, (name, help) in _RECALL.items():
            metric = GaugeMetricFamily(f"engram_{name}", help, labels=names)
            for values, stats, _ in told:
                if stats["recall_at_10"]["recall"] is not None:
                    metric.add_metric(values, stats["recall_at_10"][key])
            yield metric

    def describe(self) -> Iterator[Metric]:
        return iter(())  # registering asks no store


def _read(store: MemoryStore) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What it tells; nothing when it is closed."""
    stats = stats_of(store)
    try:
        return [] if stats is None else [(stats, store.histograms())]
    except StoreClosed:
        return []


def _checked(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("__") or name in _OWN_LABELS:
        raise InvalidInput(
            f"the label {name!r} is none that Prometheus takes; give letters, digits and underscores, and "
            "neither le nor quantile"
        )
    return name
