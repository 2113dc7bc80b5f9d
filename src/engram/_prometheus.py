"""The collector that `engram.metrics.prometheus` registers."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from . import _native
from ._errors import StoreClosed
from .metrics import _FIGURES, _SECONDS, _TIMES, stats_of
from .store import MemoryStore


class StoreCollector(Collector):  # type: ignore[misc]
    """Metric families of one store, read when they are asked for."""

    def __init__(self, store: weakref.ref[MemoryStore], labels: dict[str, str]) -> None:
        self._store = store
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        store = self._store()
        stats = stats_of(store)
        if store is None or stats is None:
            return
        yield self._gauge("memories", "Memories held", stats["memories"])
        for figure in _FIGURES:
            family = CounterMetricFamily if figure.counts else GaugeMetricFamily
            metric = family(f"engram_{figure.name}", figure.help, labels=self._names)
            metric.add_metric(self._values, stats[figure.part][figure.key])
            yield metric
        try:
            histograms = store.histograms()
        except StoreClosed:
            return
        for name, help in _TIMES.items():
            yield self._histogram(name, help, histograms[name])
        yield from self._recall(stats["recall_at_10"])

    def describe(self) -> Iterator[Metric]:
        return iter(())  # registering asks no store

    def _gauge(self, name: str, help: str, value: float) -> Metric:
        gauge = GaugeMetricFamily(f"engram_{name}", help, labels=self._names)
        gauge.add_metric(self._values, value)
        return gauge

    def _histogram(self, name: str, help: str, seen: _native.Histogram) -> Metric:
        buckets = [(repr(end * _SECONDS), count) for end, count in seen.buckets]
        family = HistogramMetricFamily(f"engram_{name}_seconds", help, labels=self._names)
        family.add_metric(self._values, [*buckets, ("+Inf", seen.count)], seen.sum * _SECONDS)
        return family

    def _recall(self, recall: dict[str, Any]) -> Iterator[Metric]:
        if recall["recall"] is None:
            return
        yield self._gauge("recall_at_10", "Measured recall at 10", recall["recall"])
        yield self._gauge("recall_at_10_low", "Lower end of its 95 % confidence interval", recall["low"])
        yield self._gauge("recall_at_10_high", "Upper end of its 95 % confidence interval", recall["high"])
