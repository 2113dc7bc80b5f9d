"""Which stores are told of to somebody who monitors, and under which labels."""

from __future__ import annotations

import threading
import weakref

from ._errors import InvalidInput
from .store import MemoryStore


class ToldStores:
    """Stores and their labels, no two alike; from any thread. Keeps no store alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._labels: weakref.WeakKeyDictionary[MemoryStore, dict[str, str]] = weakref.WeakKeyDictionary()

    def add(self, store: MemoryStore, labels: dict[str, str]) -> None:
        """Tells of a store from now on, under these labels."""
        with self._lock:
            for other, taken in self._labels.items():
                if other is store and taken != labels:
                    raise InvalidInput(
                        f"{store} is told of here already, under the labels {taken}; leave out the second "
                        "call, or remove() it first"
                    )
                if other is not store and taken == labels and not other.closed:
                    raise InvalidInput(
                        f"{other} is told of here under the same labels {labels}; give the second store "
                        'others: {"store": "a name"}'
                    )
            self._labels[store] = labels

    def remove(self, store: MemoryStore) -> None:
        """Tells no more of a store."""
        with self._lock:
            self._labels.pop(store, None)

    def known(self) -> list[tuple[MemoryStore, dict[str, str]]]:
        """Those that are told of."""
        with self._lock:
            return list(self._labels.items())
