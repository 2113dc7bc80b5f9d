"""What runs inside an engine's process: fill it, replace all it holds, ask it."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.churn.engines import ENGINES, Churned
from benchmarks.common.process import anonymous_bytes, one_core, pin


class ChurnWorker:
    """One engine under one pattern."""

    engine: Churned
    base: NDArray[np.float32]
    queries: NDArray[np.float32]

    def version(self, engine: str) -> str:
        return ENGINES[engine].version()

    def fill(self, engine: str, base: str, queries: str, metric: str, live: int) -> float:
        """Put the first ``live`` rows in; returns the seconds of processor time it took."""
        pin(one_core())
        self.base = np.load(base, mmap_mode="r")
        self.queries = np.load(queries)
        self.engine = ENGINES[engine](live, self.base.shape[1], metric)
        self.engine.version()  # imports the library, off the clock and off the memory
        self.before = anonymous_bytes()
        vectors = np.array(self.base[:live])  # gone when this returns
        begin = time.process_time()
        self.engine.start()
        self.engine.add(np.arange(live, dtype=np.int64), vectors)
        return time.process_time() - begin

    def memory(self) -> int:
        """Bytes the process holds beyond what it held before the index was made."""
        return anonymous_bytes() - self.before

    def turn(self, leave: str, enter: str, batch: int) -> float:
        """One turnover, ``batch`` rows a call; returns the seconds of processor time it took."""
        gone, come = np.load(leave), np.load(enter)
        seconds = 0.0
        for at in range(0, len(gone), batch):
            rows = come[at : at + batch]
            vectors = np.array(self.base[rows])
            begin = time.process_time()
            self.engine.replace(gone[at : at + batch], rows, vectors)
            seconds += time.process_time() - begin
        return seconds

    def find(self, k: int, ef: int, answers: str) -> float:
        """Ask all queries, and write the labels; returns queries a second of processor time."""
        begin = time.process_time()
        labels = self.engine.find(self.queries, k, ef)
        seconds = time.process_time() - begin
        np.save(answers, labels)
        return len(self.queries) / max(seconds, 1e-9)
