# The native core, typed. One section a room; stubtest holds it against the built module.

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

# --- engine: one store (bind_store.cpp) ---

class BatchRows:
    """The rows of a batch, one after another."""

    def __iter__(self) -> BatchRows: ...
    def __next__(self) -> tuple[int, str, str | None, str | None, float, float]: ...

class Batch:
    """Some records, in the order of the log."""

    # (key, id, content, metadata as JSON text, confidence, created_at) of what is current as of `through`.
    def rows(self) -> BatchRows: ...
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
    def tiers(self) -> list[str]: ...  # "hot" (what is pending too), "warm" or "cold"
    @property
    def complete(self) -> bool: ...
    # What is wrong with the page for which the first hit was left out; None: none was.
    @property
    def damage(self) -> str | None: ...
    # tier -> (searched, found, elapsed_us, truncated, unnamed), of the tiers that were asked
    @property
    def searched(self) -> dict[str, tuple[int, int, float, bool, int]]: ...

class Ids:
    """The ids of a store as they were at some moment."""

    def __len__(self) -> int: ...
    def piece(self, begin: int, count: int) -> list[str]: ...

class Histogram:
    """What was recorded up to some moment."""

    @property
    def count(self) -> int: ...
    @property
    def sum(self) -> float: ...
    @property
    def mean(self) -> float: ...
    @property
    def most(self) -> int: ...
    def quantile(self, share: float) -> float: ...
    # (upper end, how many were below it) of every bucket that is not empty, ascending.
    @property
    def buckets(self) -> list[tuple[float, int]]: ...

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
        queue_bytes: int,
        batch_bytes: int,
        m: int,
        ef_construction: int,
        seed: int,
        threads: int,
        page_cache_bytes: int = ...,
        half_life: float = ...,  # seconds in which an activation halves
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
    # (key, vector) of the current version; touches it as of `now`, as recalls touch what they find.
    def get(self, id: str, now: float = ...) -> tuple[int, NDArray[np.float32]] | None: ...
    # The current key of an id.
    def key(self, id: str) -> int | None: ...
    # The most bytes that id, content and metadata of one memory may take together, in UTF-8.
    @property
    def text_limit(self) -> int: ...
    # (content, metadata, confidence, created_at) of that version, if current, until the catalog holds it.
    def payload(self, id: str, key: int) -> tuple[str | None, str | None, float, float] | None: ...
    def __contains__(self, id: str) -> bool: ...
    def __len__(self) -> int: ...
    def ids(self) -> list[str]: ...
    def id_list(self) -> Ids: ...
    # budgets_us: microseconds a tier may take, hot, warm and cold; total_us: all together (math.inf: no
    # limit). tiers: which to ask, 1 (hot) + 2 (warm) + 4 (cold).
    def recall(
        self,
        cue: NDArray[np.float32],
        k: int,
        ef: int,
        now: float = ...,
        budgets_us: tuple[float, float, float] = ...,
        total_us: float = ...,
        tiers: int = ...,
    ) -> Found: ...
    def recall_many(
        self,
        cues: NDArray[np.float32],
        k: int,
        ef: int,
        now: float = ...,
        budgets_us: tuple[float, float, float] = ...,
        total_us: float = ...,
        tiers: int = ...,
    ) -> list[Found]: ...
    # What must be in the catalog, durably, when a store is opened: all below this LSN.
    @property
    def catalog_lsn(self) -> int: ...
    # Every memory that is indexed, as columns in no order: key (uint64), tier (uint8: 0 hot, 1 warm, 2 cold),
    # activation (float32, as of now), idle (float32: seconds since it was stored, recalled or got), bytes
    # (uint32: about what it takes in its tier, in RAM in the hot one, else on disk).
    def tier_table(self, now: float) -> dict[str, NDArray[Any]]: ...
    # Moves memories to other tiers (uint8, as above). Those whose key is not below catalog_lsn, what the
    # caller has just made durable in the catalog, stay where they are; so do those that change meanwhile.
    # Every call that moves something down writes one segment a tier: move many at once. Waits for a move or
    # compaction under way. Returns {"moved": {("hot", "warm"): n, ...}, "stayed": n, "unknown": n, "bytes":
    # written, "seconds": s}.
    def move(
        self,
        keys: NDArray[np.uint64],
        targets: NDArray[np.uint8],
        catalog_lsn: int,
        bytes_per_second: float | None,
    ) -> dict[str, Any]: ...
    # Rewrites segments of which a fifth is dead, and merges those of a tier that has more than 8; returns
    # {"rewritten": segments that went, "segments": that came, "rows": n, "dropped": dead rows, "bytes":
    # written, "seconds": s}.
    def compact(self, bytes_per_second: float | None) -> dict[str, Any]: ...
    # Waits up to timeout seconds for something to index. None: nothing came.
    def take_batch(self, most: int, timeout: float) -> Batch | None: ...
    # How many memories no batch has taken yet.
    @property
    def depth(self) -> int: ...
    # Puts the batch into the graph and lets the queue go of it; all or nothing. background: on threads of low
    # priority.
    def index(self, batch: Batch, background: bool) -> None: ...
    # The same for a batch that keeps failing: what fails of it stays in the queue and is recalled from there
    # until retry_aside() succeeds. How many were set aside; are still; and are now.
    def set_aside(self, batch: Batch) -> int: ...
    def retry_aside(self) -> int: ...
    @property
    def aside(self) -> int: ...
    # What is indexed and not in the catalog yet; whether it is time that it were.
    def uncommitted(self) -> Batch: ...
    @property
    def commit_due(self) -> bool: ...
    # Syncs the log up to batch.through, as must be before the catalog commits it.
    def sync_for(self, batch: Batch) -> None: ...
    # The catalog holds it now: gives back its room in the queue.
    def committed(self, batch: Batch) -> None: ...
    # Makes all calls that wait for room raise QueueFull, so that they see why there is none.
    def interrupt_waits(self) -> None: ...
    # False: timeout (seconds) passed. Call in slices, so that signals are seen.
    def wait_durable(self, lsn: int, timeout: float | None) -> bool: ...
    def wait_indexed(self, lsn: int, timeout: float | None) -> bool: ...
    def flush(self) -> None: ...
    # Writes the graph to disk and drops the log below; call with the catalog durable up to indexed_lsn and no
    # batch between take_batch() and index(). Returns the checkpoint's LSN.
    def checkpoint(self) -> int: ...
    # How long things took, in nanoseconds ("store", "log_sync", "index_lag", "recall", "recall_pending",
    # "recall_hot"), and "queue_depth", in memories.
    def histograms(self) -> dict[str, Histogram]: ...
    # Waits up to timeout seconds for the cue of a recall, answers it exactly and compares; seconds of a
    # processor that took. None: no cue came.
    def probe(self, timeout: float) -> float | None: ...
    def stop_probing(self) -> None: ...
    # (cues, recall@10, and between what it lies with 95 % confidence).
    def recall_estimate(self) -> tuple[int, float, float, float]: ...
    # A nested dict of counters: {"log": {...}, "queue": {...}, "ids": {...}, "hot": {...}, "warm": {...},
    # "cold": {...}, "page_cache": {...}}. Of each tier: memories, dead, segments, ram_bytes, disk_bytes,
    # recalls, hits, truncated, unnamed, pages_read, pages_hit (4 KiB), p50_us, p99_us.
    def stats(self) -> dict[str, dict[str, float]]: ...
    # Checks that the id table, queue, graph and segments agree and everything is readable; what was checked.
    def verify(self) -> dict[str, int]: ...
    # Wakes the indexer's take_batch() for good (it then returns None at once).
    def stop_indexing(self) -> None: ...
    def close(self) -> None: ...

# --- what `engram repair` reads and moves (bind_salvage.cpp) ---

class FolderLock:
    """A store's exclusive lock, held without opening the store."""

    def __init__(self, folder: Path) -> None: ...
    def release(self) -> None: ...

class SalvagedGraph:
    """The graph of a checkpoint, by itself."""

    def __init__(self, path: Path) -> None: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    # slot -> key, of every slot in use.
    def slots(self) -> dict[int, int]: ...
    def vector(self, slot: int) -> NDArray[np.float32]: ...

class SalvagedSegment:
    """A segment of a lower tier, by itself."""

    def __init__(self, path: Path) -> None: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    def __len__(self) -> int: ...
    # (row, key, id, confidence) of every row all of which, the vector too, can be read.
    def rows(self) -> list[tuple[int, int, str, float]]: ...
    def vector(self, row: int) -> NDArray[np.float32]: ...

# Number of a segment -> its dead rows, one bit a row, the lowest bit of a byte first.
def salvage_dead(path: Path) -> dict[int, bytes]: ...

# ([(number, file name) of each segment], the name of the file of their dead rows), by the manifest.
def tier_files(folder: Path) -> tuple[list[tuple[int, str]], str | None]: ...

# (dim, metric, generation, checkpoint LSN); None when there is none.
def read_manifest(folder: Path) -> tuple[int, str, int, int] | None: ...

# (LSN, [(slot, id, confidence)]).
def salvage_rows(path: Path) -> tuple[int, list[tuple[int, str, float]]]: ...

# Calls see([(key, whether stored (else forgotten), id, vector, content, metadata, confidence, created_at)])
# for every readable record in the order of the log; vectors=False leaves None in place of them. Returns
# (begin LSN, end LSN, whether the log ends as it should, [(file, offset, bytes, begin LSN, end LSN) of what
# could not be read]).
def salvage_log(
    folder: Path, dim: int, vectors: bool, see: Callable[[list[Any]], None]
) -> tuple[int, int, bool, list[tuple[Path, int, int, int, int]]]: ...

# Through the file layer, where ENGRAM_CRASH_AT counts.
def rename(from_: Path, to: Path, /) -> None: ...
def remove(path: Path, /) -> None: ...
def make_folder(path: Path, /) -> None: ...
def sync_folder(path: Path, /) -> None: ...
def sync_file(path: Path, /) -> None: ...

# --- base (bind_base.cpp) ---

def crc32c(data: bytes) -> int: ...

# The checksum of a row of the catalog; TypeError when a field is of another type than is written.
def row_crc(
    key: int,
    id: bytes | str,
    content: bytes | str | None,
    metadata: bytes | str | None,
    confidence: float,
    created_at: float,
) -> int: ...

# The fields of all rows, one after another, each row followed by its checksum.
def with_crcs(rows: Sequence[tuple[int, str, str | None, str | None, float, float]]) -> list[Any]: ...

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
    def optimize(self) -> None: ...
    def save(self, path: str | bytes) -> None: ...
    @staticmethod
    def load(path: str | bytes) -> Index: ...
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
