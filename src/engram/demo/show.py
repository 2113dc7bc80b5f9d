"""The demo, step by step."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from engram._errors import InvalidInput
from engram._vectors import Matrix
from engram.embedders import WordLlama
from engram.opening import open as open_store
from engram.store import MemoryStore

from .docstrings import standard_library
from .peer import EF, compare

QUESTIONS = (
    "remove a whole directory tree",
    "find the most common elements of a list",
    "run a command in another process and read its output",
)
_CUES = 1000


def run(console: Console, keep: Path | None) -> None:
    """Shows it all; the store is kept in `keep`, or thrown away."""
    if keep is not None and keep.exists() and not keep.is_dir():
        raise InvalidInput(f"{keep} is a file; give --keep a folder that does not exist yet")
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise InvalidInput(f"{keep} is not empty; give --keep a folder that does not exist yet")
    with tempfile.TemporaryDirectory(prefix="engram-demo-") as temporary:
        Show(console, keep or Path(temporary) / "memories", Path(temporary)).run()


class Show:
    """What the steps share."""

    def __init__(self, console: Console, folder: Path, temporary: Path) -> None:
        self._console = console
        self._folder = folder
        self._temporary = temporary
        self._embedder = WordLlama()
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._vectors: Matrix = np.empty((0, WordLlama.dim), dtype=np.float32)

    def run(self) -> None:
        """All the steps."""
        self._read()
        acknowledged = self._store_until_killed()
        began = time.perf_counter()
        with open_store(self._folder, embedder=self._embedder) as store:
            self._say(f"Reopened in {_ms(began)}: {len(store):,} memories.")
            self._check(store, acknowledged)
            self._store_rest(store, acknowledged)
            self._ask(store)
            self._compare(store)

    def _read(self) -> None:
        with self._console.status("reading the standard library ..."):
            began = time.perf_counter()
            texts = standard_library()
            self._ids, self._texts = list(texts), list(texts.values())
            self._say(f"Read {len(texts):,} docstrings of the standard library in {_ms(began)}.")
            began = time.perf_counter()
            vectors = self._embedder.embed(self._texts)
            usable = np.flatnonzero(
                np.einsum("ij,ij->i", vectors, vectors)
            )  # a text of unknown words has none
            self._ids = [self._ids[row] for row in usable]
            self._texts = [self._texts[row] for row in usable]
            self._vectors = np.ascontiguousarray(vectors[usable])
            self._say(f"Embedded them with WordLlama, {self._vectors.shape[1]}-d, in {_ms(began)}.")

    def _store_until_killed(self) -> int:
        """Has a child store one by one, durably, and kills it half way; how many it was told are stored."""
        rows = self._temporary / "rows.npz"
        np.savez(rows, ids=np.array(self._ids), texts=np.array(self._texts), vectors=self._vectors)
        half = len(self._ids) // 2
        with self._console.status("a child process stores them one by one ..."):
            began = time.perf_counter()
            acknowledged, code = self._write_until(half, rows)
        if acknowledged < half:
            raise RuntimeError(f"the writer ended by itself after {acknowledged} memories, with {code}")
        self._say(
            f'A child stored {acknowledged:,} of them with fsync="always" in {_ms(began)} '
            "and was killed with SIGKILL in the middle."
        )
        return acknowledged

    def _write_until(self, half: int, rows: Path) -> tuple[int, int]:
        """Runs the child until so many are stored; how many it said are, and what it ended with."""
        acknowledged = 0
        with subprocess.Popen(
            [sys.executable, "-m", "engram.demo.writer", str(self._folder), str(rows)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which ends the child
        ) as child:
            try:
                for _ in child.stdout or ():
                    acknowledged += 1
                    if acknowledged == half:
                        child.send_signal(signal.SIGKILL)  # what is in the pipe by then was acknowledged too
            except BaseException:  # such as Ctrl-C: the child must not go on alone
                child.kill()
                raise
            return acknowledged, child.wait()

    def _check(self, store: MemoryStore, acknowledged: int) -> None:
        for row in range(acknowledged):
            memory = store.get(self._ids[row])
            if memory is None or memory.vector.tobytes() != self._vectors[row].tobytes():
                raise RuntimeError(f"{self._ids[row]} was acknowledged and is lost")
            if memory.content != self._texts[row]:
                raise RuntimeError(f"{self._ids[row]} has come back with another text")
        self._say(f"All {acknowledged:,} memories it was told are stored are there, equal to the bit.")

    def _store_rest(self, store: MemoryStore, begin: int) -> None:
        began = time.perf_counter()
        store.store_many(self._ids[begin:], self._vectors[begin:], contents=self._texts[begin:])
        stored = _ms(began)
        store.wait_indexed()
        self._say(
            f"Stored the other {len(self._ids) - begin:,} in {stored}, durable and recallable at once; "
            f"indexed after {_ms(began)}."
        )

    def _ask(self, store: MemoryStore) -> None:
        store.recall(QUESTIONS[0])  # what is first used is first loaded
        for question in QUESTIONS:
            began = time.perf_counter()
            cue = self._embedder.embed([question])[0]
            embedded = time.perf_counter()
            hits = store.recall(cue, k=3)
            found = time.perf_counter()
            self._console.print(Text(f"\n  {question}?", style="bold"))
            for hit in hits:
                line = Text(f"    {hit.distance:.3f}  ")
                line.append(hit.id, style="cyan")
                line.append(f"  {_short(hit.content or '')}")
                self._console.print(line, no_wrap=True, overflow="ellipsis")
            self._console.print(
                f"    embedded in {(embedded - began) * 1e6:.0f} us, recalled from {len(store):,} in "
                f"{(found - embedded) * 1e6:.0f} us",
                style="dim",
                highlight=False,
            )
        self._console.print()

    def _compare(self, store: MemoryStore) -> None:
        rows = np.random.default_rng(0).choice(len(self._ids), _CUES, replace=False)
        cues = self._embedder.embed([_question(self._texts[row]) for row in rows])
        cues = cues[np.einsum("ij,ij->i", cues, cues) > 0]
        with self._console.status("comparing with FAISS ..."):
            figures = compare(store, self._ids, self._vectors, cues)
        if not figures:
            self._say("faiss-cpu is not installed, so there is no comparison: pip install faiss-cpu")
            return
        for each in figures:
            self._say(
                f"{each.name:<20} recall@10 {each.recall:.3f}   {each.queries_per_second:,.0f} cues a second "
                f"(M=16, ef_construction=200, ef={EF}, one cue at a time)"
            )
        ratio = figures[0].queries_per_second / figures[1].queries_per_second
        self._say(f"Engram answers {ratio:.2f} times as many cues a second as FAISS.")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


def _question(text: str) -> str:
    """A docstring's words without its name, and only the first of them: near, but not the same."""
    return " ".join(text.split(": ", 1)[1].split()[:8])


def _short(text: str) -> str:
    return text.split(": ", 1)[-1]


def _ms(began: float) -> str:
    seconds = time.perf_counter() - began
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"
