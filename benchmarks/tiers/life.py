"""Thirty days of a store's life in fast-forward, under one policy after another, on one trace.

Memories belong to topics. What is asked for follows Zipf's law, over topics and within them; which topics are
in favour drifts from day to day. Each hour memories are stored and forgotten, cues recalled, and the store
migrates.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import engram
from benchmarks.common.process import allocated_bytes, resident_bytes
from benchmarks.common.progress import say

HOUR = 3600.0
HOURS_A_DAY = 24
K = 10


@dataclass(frozen=True)
class Scale:
    """How large a life is."""

    days: int = 30
    memories: int = 20_000
    dim: int = 64
    topics: int = 200
    recalls_an_hour: int = 60
    changes_an_hour: int = 20  # so many stored, and so many forgotten
    drift: float = 0.1  # share of the topics that change places in favour each day
    hot_share: float = 0.1  # of the memories fit into the hot tier, three times as many into the warm one


@dataclass(frozen=True)
class Hour:
    """What happens in one hour."""

    stored: list[tuple[str, NDArray[np.float32]]]
    forgotten: list[str]
    cues: NDArray[np.float32]


@dataclass
class Trace:
    """A life, the same for every policy."""

    scale: Scale
    seed: int = 5
    first: list[tuple[str, NDArray[np.float32]]] = field(default_factory=list)

    def hours(self) -> Iterator[Hour]:
        """From the beginning; `first` holds what the store begins with."""
        scale = self.scale
        drawn = np.random.default_rng(self.seed)
        centres = drawn.standard_normal((scale.topics, scale.dim)).astype(np.float32) * 2
        favour = drawn.permutation(scale.topics)
        alive: list[list[tuple[str, NDArray[np.float32]]]] = [[] for _ in range(scale.topics)]
        number = 0

        def born() -> tuple[str, NDArray[np.float32]]:
            nonlocal number
            topic = int(drawn.integers(scale.topics))
            vector = centres[topic] + drawn.standard_normal(scale.dim).astype(np.float32)
            alive[topic].append((f"m{number}", vector))
            number += 1
            return alive[topic][-1]

        self.first = [born() for _ in range(scale.memories)]
        for hour in range(scale.days * HOURS_A_DAY):
            if hour % HOURS_A_DAY == 0 and hour:
                moving = drawn.choice(scale.topics, max(2, int(scale.drift * scale.topics)), replace=False)
                favour[moving] = favour[drawn.permutation(moving)]
            stored = [born() for _ in range(scale.changes_an_hour)]
            forgotten: list[str] = []
            while len(forgotten) < scale.changes_an_hour:
                topic = int(drawn.integers(scale.topics))
                if len(alive[topic]) > K:
                    forgotten.append(alive[topic].pop(int(drawn.integers(len(alive[topic]))))[0])
            cues = np.empty((scale.recalls_an_hour, scale.dim), np.float32)
            for at in range(len(cues)):
                topic = int(favour[_zipf(drawn, scale.topics)])
                _, vector = alive[topic][_zipf(drawn, len(alive[topic]))]
                cues[at] = vector + 0.1 * drawn.standard_normal(scale.dim)
            yield Hour(stored, forgotten, cues)


def _zipf(drawn: np.random.Generator, count: int) -> int:
    """A rank from 0, each as likely as 1 / (rank + 1)."""
    return min(count - 1, int(np.exp(drawn.random() * np.log(count + 1))) - 1)


class Living:
    """One store that lives through a trace; the clock is the trace's."""

    def __init__(self, folder: Path, policy: engram.MigrationPolicy, scale: Scale) -> None:
        self.now = 1_700_000_000.0
        self._folder = folder
        self._scale = scale
        self._config = engram.Config(
            policy=policy,
            clock=lambda: self.now,
            migration_interval=None,
            page_cache_bytes="4MiB",
            budgets=engram.LatencyBudgets(None, None, None),
        )
        self.store = self._open()
        self.held: dict[str, NDArray[np.float32]] = {}
        self.hits = {"hot": 0, "warm": 0, "cold": 0}
        self.recall_seconds = 0.0

    def _open(self) -> engram.MemoryStore:
        return engram.open(self._folder, self._scale.dim, metric="l2", fsync="never", config=self._config)

    def keep(self, memories: list[tuple[str, NDArray[np.float32]]]) -> None:
        self.store.store_many([id for id, _ in memories], np.stack([vector for _, vector in memories]))
        self.held.update(memories)

    def live(self, hour: Hour) -> None:
        self.keep(hour.stored)
        for id in hour.forgotten:
            self.store.forget(id)
            self.held.pop(id)
        for cue in hour.cues:
            begin = time.perf_counter()
            found = self.store.recall(cue, K)
            self.recall_seconds += time.perf_counter() - begin
            for tier in found.tier_names:
                self.hits[tier] += 1
        self.now += HOUR
        self.store.migrate()

    def sample(self, cues: NDArray[np.float32]) -> dict[str, float]:
        """Memory, disk, time to open and recall@10 as of now. Its recalls touch what they find, as all do."""
        self.store.close()
        begin = time.perf_counter()
        self.store = self._open()
        opened = time.perf_counter() - begin
        ids = list(self.held)
        base = np.stack([self.held[id] for id in ids])
        right = 0
        for cue in cues:
            distances = ((base - cue) ** 2).sum(1)
            nearest = {ids[at] for at in np.argpartition(distances, K)[:K]}
            right += len(nearest & set(self.store.recall(cue, K).ids))
        return {
            "memories": len(self.store),
            "memory_bytes": resident_bytes(),
            "disk_bytes": allocated_bytes(self._folder),
            "log_bytes": allocated_bytes(self._folder, "*.wal"),
            "open_seconds": opened,
            "recall_10": right / (K * len(cues)),
        }

    def close(self) -> None:
        self.store.close()


def run(name: str, policy: engram.MigrationPolicy, trace: Trace, folder: Path) -> dict[str, Any]:
    """Lives a trace through under one policy: hit rates by week, samples at start, middle and end."""
    shutil.rmtree(folder, ignore_errors=True)
    hours = trace.hours()
    first = next(hours)
    living = Living(folder, policy, trace.scale)
    try:
        living.keep(trace.first)
        living.store.migrate()
        samples, weeks = [], []
        count = trace.scale.days * HOURS_A_DAY
        sampled = {0, count // 2, count - 1}
        before = dict(living.hits)
        for number in range(count):
            hour = first if number == 0 else next(hours)
            living.live(hour)
            if number in sampled:
                samples.append(living.sample(hour.cues))
            if (number + 1) % (7 * HOURS_A_DAY) == 0 or number == count - 1:
                weeks.append(_share({tier: living.hits[tier] - before[tier] for tier in before}))
                before = dict(living.hits)
        say(f"{name}: {100 * _share(living.hits)['hot']:.1f} % from the hot tier")
        recalls = count * trace.scale.recalls_an_hour
        return {
            "policy": name,
            "hits": _share(living.hits),
            "weeks": weeks,
            "recall_us": 1e6 * living.recall_seconds / recalls,
            "samples": samples,
        }
    finally:
        living.close()
        shutil.rmtree(folder, ignore_errors=True)


def _share(hits: dict[str, int]) -> dict[str, float]:
    total = max(1, sum(hits.values()))
    return {tier: count / total for tier, count in hits.items()}
