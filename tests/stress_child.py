"""Eight threads of mixed verbs on one store, until the process is killed or told to end; run by test_stress.

    python -m tests.stress_child FOLDER JOURNAL SEED INDEXING

Each thread owns its ids. What it is about to do goes into the journal before, and that it is done after,
each by one write(2): so whoever reads the journal knows what the store must hold, whenever this is killed.
It ends, closing the store, at end of file on its standard input.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import threading
from typing import Any

import numpy as np

import engram
from engram._parts import Fsync

DIM = 12
THREADS = 8
IDS = 25
FSYNC: tuple[Fsync, ...] = ("always", "interval", "never")


def vector_of(value: int) -> engram._vectors.Vector:
    """The vector that a memory of this value has."""
    drawn: engram._vectors.Vector = np.random.default_rng(value).standard_normal(DIM).astype(np.float32)
    return drawn


class Journal:
    """Lines of JSON, each written at once."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **line: Any) -> None:
        os.write(self._file, (json.dumps(line) + "\n").encode())


class Actor(threading.Thread):
    """One thread: its ids, and what they hold."""

    def __init__(
        self, store: engram.MemoryStore, journal: Journal, number: int, seed: int, stop: threading.Event
    ) -> None:
        super().__init__(name=f"actor {number}")
        self.store = store
        self.journal = journal
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.stop = stop
        self.holds: dict[str, int] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                verb = self.random.choice(
                    [
                        self.put,
                        self.put,
                        self.put_many,
                        self.forget,
                        self.look,
                        self.recall,
                        self.recall,
                        self.care,
                    ]
                )
                verb()
        except BaseException as error:
            self.failure = error
            self.stop.set()

    def id(self) -> str:
        return f"{self.number}/{self.random.randrange(IDS)}"

    def write(self, changes: dict[str, int | None], call: Any) -> None:
        self.journal.write(thread=self.number, begin=changes)
        call()
        self.journal.write(thread=self.number, done=True)
        for id, value in changes.items():
            if value is None:
                self.holds.pop(id, None)
            else:
                self.holds[id] = value
            self.check(id)

    def put(self) -> None:
        id, value = self.id(), self.random.getrandbits(40)
        fsync = self.random.choice(FSYNC)
        self.write(
            {id: value},
            lambda: self.store.store(id, vector_of(value), content=str(value), fsync=fsync),
        )

    def put_many(self) -> None:
        changes: dict[str, int | None] = {self.id(): self.random.getrandbits(40) for _ in range(10)}
        values = [value for value in changes.values() if value is not None]
        vectors = np.stack([vector_of(value) for value in values])
        self.write(
            changes,
            lambda: self.store.store_many(list(changes), vectors, contents=map(str, values), fsync="never"),
        )

    def forget(self) -> None:
        id = self.id()
        self.write({id: None}, lambda: self.store.forget(id, fsync="never"))

    def check(self, id: str) -> None:
        """What this thread wrote is there, and nothing else under that id."""
        found, value = self.store.get(id), self.holds.get(id)
        assert (found is None) == (value is None), (id, found, value)
        if found is not None and value is not None:
            assert found.content == str(value), (id, found.content, value)
            assert found.vector.tobytes() == vector_of(value).tobytes()
            assert self.store.recall(vector_of(value), k=1).ids == [id]

    def look(self) -> None:
        self.check(self.id())
        ids = list(self.store)
        assert len(set(ids)) == len(ids) <= THREADS * IDS
        mine = {id for id in ids if id.startswith(f"{self.number}/")}
        assert mine == set(self.holds), mine ^ set(self.holds)

    def recall(self) -> None:
        found = self.store.recall(vector_of(self.random.getrandbits(40)), k=30)
        assert len(set(found.ids)) == len(found), "a memory is shown twice"
        assert found.distances == sorted(found.distances)
        for hit in found:
            owner = hit.id.split("/")[0]
            if owner == str(self.number):  # nobody else changes it
                assert hit.content == str(self.holds[hit.id])

    def care(self) -> None:
        drawn = self.random.random()
        if drawn < 0.1:
            self.store.checkpoint()
        elif drawn < 0.2:
            self.store.verify()
        elif drawn < 0.5:
            self.store.flush()
        else:
            self.store.stats()
            assert self.store.wait_indexed(timeout=60)


def main(folder: str, journal: str, seed: int, indexing: engram.config.Indexing) -> None:
    faulthandler.enable()
    sys.setswitchinterval(random.Random(seed).choice([1e-6, 1e-5, 1e-4, 5e-3]))
    config = engram.Config(
        indexing=indexing, queue_capacity=100, fsync_interval_ms=5, checkpoint_bytes="64KiB"
    )
    with engram.open(folder, DIM, metric="l2", fsync="never", config=config) as store:
        stop = threading.Event()
        actors = [Actor(store, Journal(journal), number, seed, stop) for number in range(THREADS)]
        for actor in actors:
            for id in store:
                found = store.get(id)
                if id.startswith(f"{actor.number}/") and found is not None:
                    actor.holds[id] = int(found.content or "")
        for actor in actors:
            actor.start()
        print("ready", flush=True)
        sys.stdin.read()
        stop.set()
        for actor in actors:
            actor.join(60)
            assert not actor.is_alive(), f"{actor.name} hangs"
        for actor in actors:
            if actor.failure is not None:
                raise actor.failure


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])  # type: ignore[arg-type]
