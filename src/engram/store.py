"""`MemoryStore`: memories that survive the process, and the three verbs store, recall and forget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from . import _native, _statistics
from ._asking import Asking, Where
from ._breath import breathe
from ._checks import check_int, check_timeout, check_word
from ._clock import Clock
from ._encoding import Encoder
from ._errors import InvalidInput, note_stored
from ._lifetime import Lifetime
from ._lookups import Lookups
from ._parts import Fsync, Parts, check_fsync
from ._rows import Breathe, Rows, check_texts
from ._vectors import Vector
from ._writing import Progress, Writer
from .catalog import Row
from .config import Config
from .embedders import Embedder
from .memories import Memory, Metadata, check_confidence, check_content, check_id, check_size, encode_metadata
from .migration import MigrationReport
from .policy import Population
from .recall import Recall
from .verification import Verification, verify_parts

_IDS_AT_ONCE = 1024
_RECALLS_AT_ONCE = 128  # made into Python objects: a millisecond


class MemoryStore(Lifetime):
    """A store of memories in a folder (or, with path None, in RAM).

    Made by `engram.open`. All methods may be called from any thread. A call that raises has changed nothing,
    unless its documentation says otherwise.
    """

    def __init__(self, parts: Parts, path: Path | None, config: Config, embedder: Embedder | None) -> None:
        super().__init__(parts, path)
        self._native = parts.native
        self._config = config
        self._encode = Encoder(embedder, self._native.dim)
        clock = Clock(config.clock)
        self._write = Writer(parts, config, clock)
        self._look = Lookups(self._native, parts.catalog, path, clock)
        self._ask = Asking(self._native, config.budgets, clock)

    # -- the three verbs

    def store(
        self,
        id: str,
        vector: ArrayLike | None = None,
        *,
        content: str | None = None,
        metadata: Metadata | None = None,
        confidence: float = 1.0,
        fsync: Fsync | None = None,
        timeout: float | None = None,
    ) -> int:
        """Stores a memory, in place of the one of that id if there is one.

        When it returns, every recall, get and len sees the memory, and it survives what `fsync` promises.

        Parameters
        ----------
        id : its name, 1 to 512 bytes of UTF-8
        vector : shape (dim,); may be left out when the store has an embedder and `content` is given
        content : its text
        metadata : a flat JSON object: str to str, int, float, bool or None
        confidence : above 0, at most 1
        fsync : "always", "interval" or "never", for this call alone
        timeout : seconds to wait when `Config.queue_capacity` memories wait for the index (default: no limit)

        Returns
        -------
        int
            The LSN: what `wait` takes.

        Raises
        ------
        InvalidInput (DimensionMismatch, InvalidVector)
            Something given cannot be stored.
        QueueFull
            The queue stayed full for `timeout` seconds, or indexing fails.
        DurabilityError, OutOfSpace, ReadOnlyStore, StoreClosed
        """
        self.check_open()
        id = check_id(id)
        content = check_content(content)
        text = encode_metadata(metadata)
        check_size(id, content, text, self._native.text_limit)
        confidence = check_confidence(confidence)
        fsync = check_fsync(fsync)
        encoded = self.vector_of(vector, content)
        timeout = check_timeout("timeout", timeout)
        return self._write.put(id, encoded, content, text, confidence, fsync=fsync, timeout=timeout)

    def vector_of(self, vector: ArrayLike | None, content: str | None) -> Vector:
        """What `store` would store, shape (dim,), float32: the vector given, or the embedder's of the text.

        For `AsyncMemoryStore`, which tries again what found no room.
        """
        return self._encode.memory(vector, content)

    def store_many(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        *,
        contents: Iterable[str | None] | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        fsync: Fsync | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Stores many memories: checks every row, then writes them in pieces of `Config.batch_bytes`.

        Each piece is atomic. A crash, an error or Ctrl-C leaves the pieces before it, and the exception tells
        in ``.stored`` how many rows they are. The last of repeated ids wins.

        Parameters
        ----------
        ids : one a row
        vectors : shape (n, dim); may be left out when the store has an embedder and all contents are given
        contents, metadata : one entry a row, None for none
        fsync : as in `store`; with "always" each piece is synced
        progress : called as progress(rows stored, rows in all) after each piece

        Returns
        -------
        int
            The LSN of the last piece: what `wait` takes.
        """
        return self.store_many_breathing(
            None, ids, vectors, contents=contents, metadata=metadata, fsync=fsync, progress=progress
        )

    def store_many_breathing(
        self,
        breathe: Breathe | None,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        *,
        contents: Iterable[str | None] | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        fsync: Fsync | None = None,
        progress: Progress | None = None,
    ) -> int:
        """As `store_many`; calls `breathe` now and then while rows are checked. For `AsyncMemoryStore`."""
        stored: list[tuple[int, int]] = []  # (LSN, rows) of each piece
        try:
            self.check_open()
            fsync = check_fsync(fsync)
            if progress is not None and not callable(progress):
                raise InvalidInput(
                    f"progress is {progress!r}; give a callable of (rows stored, rows in all), or None"
                )
            texts = check_texts(ids, contents, metadata, self._native.text_limit, breathe)
            rows = Rows(texts, self._encode.memories(texts, vectors))
            self._native.check_vectors(rows.vectors)
            self._write.put_all(rows, fsync, progress, stored)
        except BaseException as error:
            note_stored(error, sum(count for _, count in stored))
            raise
        return stored[-1][0] if stored else self._native.visible_lsn

    def recall(
        self,
        cue: ArrayLike | str,
        k: int = 10,
        *,
        ef: int | None = None,
        budget_ms: float | None = None,
        tiers: Where | None = None,
    ) -> Recall:
        """The k memories nearest to a cue, over all tiers; each counts as accessed.

        Parameters
        ----------
        cue : array of float32, shape (dim,), or str when the store has an embedder
        k : how many, at least 1; fewer come back when the store holds fewer
        ef : breadth of the walk: how many candidates, the nearest, are expanded; larger finds more and takes
            longer (default: max(64, 2k)). Below k, k come back all the same, of which fewer are the nearest
        budget_ms : milliseconds for the whole recall, beside what `Config.budgets` gives each tier; what is
            found by then is returned, with complete=False
        tiers : where to look, by name or `engram.Tier`, e.g. ``("hot",)``, which takes in what is not indexed
            yet (default: all)

        Raises
        ------
        DimensionMismatch, InvalidVector
            The cue is not a vector of this store.
        """
        self.check_open()
        asked = self._ask.of(k, ef, budget_ms, tiers)
        return self._ask.answer(self._native.recall(self._encode.cue(cue), *asked), self)

    def recall_many(
        self,
        cues: ArrayLike | Sequence[str],
        k: int = 10,
        *,
        ef: int | None = None,
        budget_ms: float | None = None,
        tiers: Where | None = None,
    ) -> list[Recall]:
        """As `recall`, for each row of (n, dim) cues (or each of a list of texts), in native threads.

        `budget_ms` is for each cue by itself.
        """
        self.check_open()
        vectors = self._encode.cues(cues)
        asked = self._ask.of(k, ef, budget_ms, tiers)
        recalls: list[Recall] = []
        for at, found in enumerate(self._native.recall_many(vectors, *asked)):
            if at % _RECALLS_AT_ONCE == _RECALLS_AT_ONCE - 1:
                breathe()
            recalls.append(self._ask.answer(found, self))
        return recalls

    def forget(self, id: str, *, fsync: Fsync | None = None, timeout: float | None = None) -> int | None:
        """Forgets a memory; the LSN of that, or None if there was no such id.

        Parameters
        ----------
        id, fsync, timeout : as for `store`, whose errors it raises
        """
        self.check_open()
        fsync = check_fsync(fsync)
        timeout = check_timeout("timeout", timeout)
        self._parts.refuse_inside()  # it may have to wait for room
        return self._write.forget(check_id(id), fsync, timeout)

    # -- looking up

    def get(self, id: str) -> Memory | None:
        """The memory of an id with its vector bit for bit as it was stored, or None; this is an access."""
        self.check_open()
        return self._look.get(check_id(id))

    def rows_of(self, ids: Sequence[str], keys: Sequence[int]) -> dict[int, Row]:
        """What the catalog keeps for these versions, by key; those replaced or forgotten since are missing.

        For `Recall`; a program asks its hits or `get`.
        """
        self.check_open()
        return self._look.rows_of(ids, keys)

    def __contains__(self, id: object) -> bool:
        self.check_open()
        try:
            return check_id(id) in self._native
        except InvalidInput:  # nothing can be stored under it
            return False

    def __len__(self) -> int:
        self.check_open()
        return len(self._native)

    def __iter__(self) -> Iterator[str]:
        """The ids, as they are at this moment, in no particular order."""
        self.check_open()
        return _ids_in_pieces(self._native.id_list())

    # -- waiting

    def wait(
        self, lsn: int, until: Literal["durable", "indexed"] = "durable", timeout: float | None = None
    ) -> bool:
        """Waits until what a store, store_many or forget returned `lsn` for is durable or indexed.

        "durable" syncs the log where the store's mode would not. False: `timeout` seconds passed before.
        """
        self.check_open()
        end = self._native.visible_lsn
        lsn = check_int("lsn", lsn, 0)
        if lsn > end:
            raise InvalidInput(
                f"lsn is {lsn}, and the last record of this store lies below {end}; give what a store, "
                "store_many or forget of it returned"
            )
        timeout = check_timeout("timeout", timeout)
        if lsn == end:  # what an empty store_many returns: all before it
            lsn -= 1
        if check_word("until", until, ("durable", "indexed")) == "indexed":
            return self._until.indexed(lsn, timeout)
        return self._until.durable(lsn, timeout)

    def flush(self) -> None:
        """Waits until all stored so far is durable."""
        self.check_open()
        self._native.flush()

    def wait_indexed(self, timeout: float | None = None) -> bool:
        """Waits until all stored so far is indexed. False: `timeout` seconds passed before.

        Raises
        ------
        EngramError
            Indexing fails; what is not indexed is recalled all the same, and it is tried again.
        """
        self.check_open()
        return self._until.indexed(self._native.visible_lsn - 1, check_timeout("timeout", timeout))

    # -- looking after it

    def stats(self) -> dict[str, Any]:
        """Counters by part: {"memories": n, "log": {...}, "tiers": {"hot": {...}, ...}, ...}."""
        self.check_open()
        return _statistics.gather(self._parts, self._config, self._path)

    def population(self) -> Population:
        """Every memory that is indexed, with its tier, activation, age and bytes: what a policy is given."""
        self.check_open()
        return self._parts.migrator.population()

    def histograms(self) -> dict[str, _native.Histogram]:
        """How often what took how long, in nanoseconds, by bucket; for `engram.metrics`."""
        self.check_open()
        return self._native.histograms()

    def verify(self) -> Verification:
        """Reads everything and checks that the id table, queue, graph and catalog agree; what was checked.

        Every row of the catalog is read from its file. The log and the checkpoint's files were read, and
        every checksum in them checked, when the store was opened; `engram verify` opens it anew for that.

        Raises
        ------
        CorruptionError
            Something is damaged; the message and `.file` say what.
        """
        self.check_open()
        if not self._parts.read_only:
            self.wait_indexed()
            self._parts.indexer.commit()
        return verify_parts(self._native, self._parts.catalog, self._path)

    def checkpoint(self) -> int:
        """Writes to disk what opening would else build from the log again, and drops that part of the log.

        What is stored meanwhile is not held up.

        Returns
        -------
        int
            The LSN below which everything is in the checkpoint.
        """
        self.check_open()
        if not self._parts.read_only:
            self.wait_indexed()
        with self._parts.indexer.paused():
            return self._parts.checkpoints.take()

    def migrate(self) -> MigrationReport:
        """Asks `Config.policy` now which memories are to live in which tier, and moves them; what moved.

        The store does so by itself every `Config.migration_interval` and when a tier is over its budget.

        Raises
        ------
        EngramError
            The policy answers what cannot be done, or a write failed. What the policy raises comes as it is.
            Nothing is lost, and what had moved by then has moved. Or the policy itself asks for it.
        InvalidInput
            The store is in RAM: it has no tier but the hot one.
        """
        self.check_open()
        if not self._parts.read_only:
            self.wait_indexed()
        return self._parts.migrator.run()

    # -- inside

    def restore(
        self,
        id: str,
        vector: Vector,
        content: str | None,
        metadata: str | None,
        confidence: float,
        created_at: float,
    ) -> None:
        """Stores a memory exactly as it was read from another store; for `engram.repair`."""
        self._write.put(id, vector, content, metadata, confidence, created_at=created_at)


def _ids_in_pieces(ids: _native.Ids) -> Iterator[str]:
    # Not all at once: making a million str takes tens of milliseconds, in which no other thread could run.
    for begin in range(0, len(ids), _IDS_AT_ONCE):
        yield from ids.piece(begin, _IDS_AT_ONCE)
