"""The instruments that `engram.metrics.opentelemetry` creates: one set a meter, for all of its stores.

OpenTelemetry keeps the first instrument of a name, and drops the callback of a second in silence.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ._told import ToldStores
from .metrics import _FIGURES, _QUANTILES, _TIMES, stats_of
from .store import MemoryStore

_Look = Callable[[dict[str, Any]], Iterable[tuple[float, dict[str, str]]]]

_observers: weakref.WeakKeyDictionary[Meter, StoresObserver] = weakref.WeakKeyDictionary()
_finding = threading.Lock()
_own_meter: Meter | None = None


def observer_of(meter: Meter | None) -> StoresObserver:
    """The one of a meter, or of the global provider's meter "engram"."""
    global _own_meter
    with _finding:
        if meter is None:
            _own_meter = _own_meter or metrics.get_meter("engram")  # each call would make another
            meter = _own_meter
        if meter not in _observers:
            _observers[meter] = StoresObserver(meter)
        return _observers[meter]


class StoresObserver:
    """Instruments that observe some stores whenever a reader asks; from any thread."""

    def __init__(self, meter: Meter) -> None:
        self._stores = ToldStores()
        for figure in _FIGURES:
            create = meter.create_observable_counter if figure.counts else meter.create_observable_gauge
            create(
                f"engram.{figure.name}",
                self._observing(lambda stats, figure=figure: [(figure.of(stats), {})]),  # type: ignore[misc]
                description=figure.help,
            )
        for name, help in _TIMES.items():
            meter.create_observable_counter(
                f"engram.{name}.count",
                self._observing(lambda stats, name=name: [(stats["latency"][name]["count"], {})]),  # type: ignore[misc]
                description=help,
            )
            meter.create_observable_gauge(
                f"engram.{name}.seconds",
                self._observing(lambda stats, name=name: _quantiles(stats["latency"][name])),  # type: ignore[misc]
                unit="s",
                description=help,
            )
        meter.create_observable_gauge(
            "engram.recall_at_10",
            self._observing(lambda stats: _bounds(stats["recall_at_10"])),
            description="Measured recall of the hot tier, and its confidence interval",
        )

    def add(self, store: MemoryStore, attributes: dict[str, str]) -> None:
        """Observes a store from now on, with these attributes."""
        self._stores.add(store, attributes)

    def remove(self, store: MemoryStore) -> None:
        """Observes a store no more."""
        self._stores.remove(store)

    def _observing(self, look: _Look) -> Any:
        stores = self._stores

        def callback(options: CallbackOptions) -> Iterator[Observation]:
            for store, attributes in stores.known():
                stats = stats_of(store)
                for value, more in look(stats) if stats is not None else ():
                    yield Observation(value, {**attributes, **more})

        return [callback]


def _quantiles(latency: dict[str, float]) -> list[tuple[float, dict[str, str]]]:
    return [(1e-6 * latency[f"p{100 * q:.0f}_us"], {"quantile": str(q)}) for q in _QUANTILES]


def _bounds(recall: dict[str, Any]) -> list[tuple[float, dict[str, str]]]:
    if recall["recall"] is None:
        return []
    return [(recall[bound], {"bound": bound}) for bound in ("recall", "low", "high")]
