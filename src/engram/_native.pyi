# The native core, typed. One section a room; stubtest holds it against the built module.

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

# --- engine: one store (bind_store.cpp) ---

class Batch:
    """What the indexer takes from the queue at once, in the order of the log."""

    # (key, id, content, metadata as JSON text, confidence, created_at) of what is current as of `through`.
    @property
    def rows(self) -> list[tuple[int, str, str | None, str | None, float, float]]: ...
    # The key of every version that an entry of this batch replaced or forgot.
    @property
    def retired(self) -> list[int]: ...
    # Everything below this LSN is in this batch or an earlier one.
    @property
    def through(self) -> int: ...
    def __len__(self) -> int: ...

class Found:
    """The hits of one recall, nearest first, as parallel lists."""

    @property
    def ids(self) -> list[str]: ...
    @property
    def keys(self) -> list[int]: ...
    @property
    def distances(self) -> list[float]: ...
    @property
    def confidences(self) -> list[float]: ...
    @property
    def tiers(self) -> list[str]: ...  # "pending" is reported as "hot"
    @property
    def complete(self) -> bool: ...
    # tier -> (searched, found, elapsed_us, truncated)
    @property
    def searched(self) -> dict[str, tuple[int, int, float, bool]]: ...

class Store:
    # Takes the lock and reads or creates the manifest; nothing is replayed yet. path=None: RAM only.
    # dim and metric None: as the manifest says (InvalidInput when there is none).
    def __init__(
        self,
        path: str | None,
        dim: int | None,
        metric: str | None,
        *,
        fsync: str,
        fsync_interval_ms: int,
        read_only: bool,
        queue_capacity: int,
        batch_bytes: int,
        m: int,
        ef_construction: int,
        seed: int,
        threads: int,
    ) -> None: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def created(self) -> bool: ...
    @property
    def end_lsn(self) -> int: ...
    # One above the last visible key; 0 when there is none. What waits for all that is stored waits below it.
    @property
    def visible_lsn(self) -> int: ...
    @property
    def synced_lsn(self) -> int: ...
    @property
    def indexed_lsn(self) -> int: ...
    # Everything below is in the live checkpoint; 0 when there is none.
    @property
    def checkpoint_lsn(self) -> int: ...
    # Replays the log. `step` is called (with the GIL) whenever the queue is full and once at the end, to
    # take_batch() and index() until nothing is left.
    def recover(self, step: Callable[[], None]) -> None: ...
    # Stores one memory; vector is float32, C-contiguous, shape (dim,); metadata is JSON text.
    def put(
        self,
        id: str,
        vector: NDArray[np.float32],
        content: str | None,
        metadata: str | None,
        confidence: float,
        created_at: float,
        fsync: str | None,
        timeout: float | None,
    ) -> int: ...
    # Raises InvalidVector / DimensionMismatch naming the first bad row; nothing is written.
    def check_vectors(self, vectors: NDArray[np.float32]) -> None: ...
    # Stores rows [begin, ...) as one atomic record of at most batch_bytes (at least one row); the arguments
    # are the whole call's. Returns (LSN, rows stored).
    def put_chunk(
        self,
        begin: int,
        ids: list[str],
        vectors: NDArray[np.float32],
        contents: list[str | None] | None,
        metadata: list[str | None] | None,
        created_at: float,
        fsync: str | None,
        timeout: float | None,
    ) -> tuple[int, int]: ...
    def forget(self, id: str, fsync: str | None) -> int | None: ...
    # (key, vector) of the current version.
    def get(self, id: str) -> tuple[int, NDArray[np.float32]] | None: ...
    # The current key of an id.
    def key(self, id: str) -> int | None: ...
    # The most bytes that id, content and metadata of one memory may take together, in UTF-8.
    @property
    def text_limit(self) -> int: ...
    # (content, metadata, confidence, created_at) of that version while pending; None once indexed.
    def payload(self, id: str, key: int) -> tuple[str | None, str | None, float, float] | None: ...
    def __contains__(self, id: str) -> bool: ...
    def __len__(self) -> int: ...
    def ids(self) -> list[str]: ...
    # Deadlines and a choice of tiers come with the tiers.
    def recall(self, cue: NDArray[np.float32], k: int, ef: int) -> Found: ...
    def recall_many(self, cues: NDArray[np.float32], k: int, ef: int) -> list[Found]: ...
    # Waits up to timeout seconds for something to index. None: nothing came.
    def take_batch(self, most: int, timeout: float) -> Batch | None: ...
    # Syncs the log up to batch.through, as must be before the catalog commits it.
    def sync_for(self, batch: Batch) -> None: ...
    # Puts the batch into the graph and retires it from the queue; call after the catalog committed it.
    def index(self, batch: Batch) -> None: ...
    # False: timeout (seconds) passed. Call in slices, so that signals are seen.
    def wait_durable(self, lsn: int, timeout: float | None) -> bool: ...
    def wait_indexed(self, lsn: int, timeout: float | None) -> bool: ...
    def flush(self) -> None: ...
    # Writes the graph to disk and drops the log below; call with the catalog durable up to indexed_lsn and no
    # batch between take_batch() and index(). Returns the checkpoint's LSN.
    def checkpoint(self) -> int: ...
    # A nested dict of counters: {"log": {...}, "queue": {...}, "hot": {...}}.
    def stats(self) -> dict[str, dict[str, float]]: ...
    # Checks that the id table, queue and graph agree and every vector is readable; returns what it checked.
    def verify(self) -> dict[str, int]: ...
    # Wakes the indexer's take_batch() for good (it then returns None at once).
    def stop_indexing(self) -> None: ...
    def close(self) -> None: ...

# --- base (bind_base.cpp) ---

def crc32c(data: bytes) -> int: ...

# Takes a reference that is never given back: a forked child must not close its parent's SQLite connections,
# not even when its interpreter ends.
def leak(thing: object) -> None: ...

# --- what was built (bind_info.cpp) ---

class _BuildInfo(TypedDict):
    version: str
    compiler: str  # "GCC 12.2.0"
    cxx: str  # "C++20"
    baseline: str  # what all but the kernels needs: "x86-64-v2", "aarch64"
    isa: str  # the kernels in use; ENGRAM_ISA chooses among `isa_available`
    isa_available: list[str]  # those this processor runs, slowest first

# Raises InvalidInput when ENGRAM_ISA names none of them.
def build_info() -> _BuildInfo: ...

# --- hnsw: the graph alone (bind_index.cpp) ---

class Index:
    def __init__(
        self, dim: int, metric: str, m: int, ef_construction: int, dtype: str, seed: int
    ) -> None: ...
    # labels int64, shape (n,); vectors float32, C-contiguous, shape (n, dim) or (dim,).
    def add(self, labels: NDArray[np.int64], vectors: NDArray[np.float32], threads: int) -> None: ...
    def remove(self, labels: NDArray[np.int64]) -> int: ...
    # queries as vectors above; allowed: None, a mask of bool or labels of int64, one axis, C-contiguous.
    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        ef: int,
        allowed: NDArray[np.bool_] | NDArray[np.int64] | None,
        threads: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
    def save(self, path: str) -> None: ...
    @staticmethod
    def load(path: str) -> Index: ...
    def __len__(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def m(self) -> int: ...
    @property
    def ef_construction(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def dtype(self) -> str: ...
