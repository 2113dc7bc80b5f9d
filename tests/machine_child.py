"""The process that test_kill_machine.py kills: it holds a store and does what it is told over a pipe."""

from __future__ import annotations

import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import engram
from tests.model import Model
from tests.policies import Scatter


def serve(pipe: Connection, folder: Path, dim: int, fsync: Any) -> None:
    """Answers each (verb, arguments) with (result, None) or (None, complaint), until it is killed."""
    held = Held(folder, dim, fsync)
    while True:
        verb, arguments = pipe.recv()
        try:
            pipe.send((getattr(held, verb)(*arguments), None))
        except BaseException:
            pipe.send((None, traceback.format_exc()))


class Held:
    """The verbs: those of a store, and the model's judgement of it."""

    def __init__(self, folder: Path, dim: int, fsync: Any) -> None:
        self._folder, self._dim, self._fsync = folder, dim, fsync
        self._store = self._open()

    def _open(self) -> engram.MemoryStore:
        config = engram.Config(
            policy=Scatter(0), migration_interval=None, budgets=engram.LatencyBudgets(None, None, None)
        )
        return engram.open(self._folder, self._dim, metric="l2", fsync=self._fsync, config=config)

    def ready(self) -> None:
        """Answered once the store is open."""

    def store_many(self, ids: list[str], vectors: np.ndarray, contents: list[str | None]) -> None:
        self._store.store_many(ids, vectors, contents=contents)

    def store(self, id: str, vector: np.ndarray, content: str | None) -> None:
        self._store.store(id, vector, content=content)

    def forget(self, id: str) -> bool:
        return self._store.forget(id) is not None

    def check(self, model: Model) -> None:
        model.check_all(self._store)
        self._store.verify()

    def recall(self, model: Model, cue: np.ndarray, k: int) -> None:
        model.check_recall(self._store, cue, k)

    def checkpoint(self) -> None:
        self._store.checkpoint()

    def migrate(self) -> None:
        self._store.migrate()

    def reopen(self, drain: bool) -> None:
        self._store.close(drain=drain)
        self._store = self._open()
