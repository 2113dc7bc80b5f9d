"""The catalog of a store in a folder: SQLite, written in batches, each row with a checksum of its own.

SQLite's pages have no checksum, so a row carries a CRC32C over its bytes, checked when read. The table is
clustered by key and has no other index: rows are appended in the order of the log, ids are found natively.

Readers borrow connections of their own from a pool and, in WAL mode, never wait for the writer.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import sqlite3
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import _native
from ._breath import breathe
from ._errors import CorruptionError, EngramError, OutOfSpace, StoreClosed, UnsupportedFormat
from ._regular import other_than_file
from .catalog import CatalogRow, Row

SCHEMA_VERSION = 1
_TWICE = 0x10001  # user_version holds the version in both its halves: SQLite's header has no checksum
APPLICATION_ID = 0x456E4772  # "EnGr", in the header of the file

_SCHEMA = (
    "CREATE TABLE memories (key INTEGER PRIMARY KEY, id TEXT NOT NULL, content TEXT, metadata TEXT,"
    " confidence REAL NOT NULL, created_at REAL NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), lsn INTEGER NOT NULL,"
    " crc INTEGER NOT NULL, syncs INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION * _TWICE}",
)
_READ = "SELECT key, id, content, metadata, confidence, created_at, crc FROM memories "
_PLACES = "(?,?,?,?,?,?,?)"

# Many rows a statement: each statement hands the GIL back and forth, and beside a busy Python thread that may
# cost milliseconds. But not too many: until a statement begins to run, its values are gathered with the GIL
# held, and every other thread waits. Also, SQLite before 3.32 takes no more than 999 parameters.
_ROWS_PER_STATEMENT = 64
_KEYS_PER_STATEMENT = 256
_ROWS_CHECKED_AT_ONCE = 512  # by verify: a millisecond or two
_KEYS_AT_ONCE = 2048  # the same

_BESIDE = ("", "-wal", "-shm", "-journal")  # what SQLite opens

# In what SQLite calls an error of the operation: a table that is gone, a schema or header it cannot read.
_SIGNS_OF_DAMAGE = ("no such", "malformed", "unsupported file format")

# What SQLite says where it could not make or lengthen the files beside its own, for want of room or not.
_SIGNS_OF_NO_ROOM = ("disk I/O error", "unable to open database file")
_LITTLE_ROOM = 1 << 16  # bytes; it asks for 32 KiB at once

_LSN = struct.Struct("<q")


class NoCatalog(Exception):
    """The file was created but a kill came before its tables."""


class SqliteCatalog:
    """The rows of a store in one file; see `engram.catalog.Catalog` for the verbs."""

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        _refuse_other_than_files(file)
        self._file = file
        self._copy: Path | None = None
        self._address = file.as_uri()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._writing = threading.Lock()
        self._applied = 0
        try:
            with self._mapped():
                if read_only:
                    self._address = self._address_for_reading()
                self._writer = self._connect()
                if not read_only:
                    self._prepare()
                self._applied = self._check()
        except BaseException:
            self.close()
            raise

    @property
    def applied(self) -> int:
        return self._applied

    def apply(self, rows: Iterable[CatalogRow], retired: Sequence[int], through: int) -> None:
        with self._writing, self._mapped():
            self._refuse_if_closed()
            if through <= self._applied:
                return
            with self._transaction() as writer:
                _insert(writer, rows, self._applied)
                _delete(writer, retired)
                writer.execute("UPDATE applied SET lsn = ?, crc = ?", (through, _lsn_crc(through)))
            self._applied = through

    def key_pieces(self) -> Iterator[list[int]]:
        last = -1
        while piece := self._keys_after(last):
            yield piece
            last = piece[-1]

    def drop(self, keys: Sequence[int]) -> None:
        with self._writing, self._mapped():
            self._refuse_if_closed()
            with self._transaction() as writer:
                _delete(writer, keys)

    def sync(self) -> None:
        with self._writing, self._mapped():
            self._refuse_if_closed()
            # A commit under FULL syncs the WAL, and with it every commit before. (It must change something:
            # else SQLite writes nothing and syncs nothing.)
            self._writer.execute("PRAGMA synchronous = FULL")
            try:
                with self._transaction() as writer:
                    writer.execute("UPDATE applied SET syncs = syncs + 1")
            finally:
                self._writer.execute("PRAGMA synchronous = NORMAL")

    def read(self, keys: Sequence[int]) -> dict[int, Row]:
        rows: dict[int, Row] = {}
        with self._mapped(), self._reader() as reader:
            for piece in _pieces(keys, _KEYS_PER_STATEMENT):
                padded = _pad(piece)
                places = ",".join("?" * len(padded))
                for found in reader.execute(f"{_READ}WHERE key IN ({places})", padded).fetchall():
                    rows[found[0]] = self._checked(found)
        return rows

    def verify(self) -> int:
        with self._mapped(), self._reader() as reader:
            (said,) = reader.execute("PRAGMA integrity_check(1)").fetchone()
            if bytes(said) != b"ok":
                raise self._damaged(f"SQLite says: {bytes(said).decode(errors='replace')}")
            last, count = -1, 0
            while found := reader.execute(
                f"{_READ}WHERE key > ? ORDER BY key LIMIT {_ROWS_CHECKED_AT_ONCE}", (last,)
            ).fetchall():
                for row in found:
                    self._checked(row)
                last, count = found[-1][0], count + len(found)
                breathe()
            return count

    def close(self) -> None:
        self._closed = True
        with self._writing:
            while self._idle:
                self._idle.pop().close()
            if hasattr(self, "_writer"):
                self._writer.close()
            if self._copy is not None:
                shutil.rmtree(self._copy, ignore_errors=True)

    def abandon(self) -> None:
        # Not closed, not even when the child's interpreter ends: SQLite would touch the parent's files.
        self._closed = True
        _native.leak(self._writer)
        for connection in self._idle:
            _native.leak(connection)

    # -- connections

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            uri=True,
            timeout=5,  # seconds that somebody else may hold the file
            isolation_level=None,
            check_same_thread=False,
            cached_statements=16,  # a statement of many rows is large
        )
        connection.text_factory = bytes  # so that the checksum comes before any decoding
        return connection

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        self._refuse_if_closed()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreClosed("the store is closed; open it again to go on")

    def _address_for_reading(self) -> str:
        """An address that SQLite can read without writing a byte beside the file."""
        left = self._file.with_name(self._file.name + "-wal")
        if not (left.exists() and left.stat().st_size):
            return f"{self._file.as_uri()}?mode=ro&immutable=1"
        # A killed writer left its WAL. SQLite would write beside the file to read it: let it do so to a copy.
        self._copy = Path(tempfile.mkdtemp(prefix="engram-"))
        for file in (self._file, left):
            shutil.copyfile(file, self._copy / file.name)
        return (self._copy / self._file.name).as_uri()

    # -- schema and checks

    def _prepare(self) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = NORMAL")
        with self._transaction() as writer:
            (tables,) = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables == 0:
                for statement in _SCHEMA:
                    writer.execute(statement)
                writer.execute("INSERT INTO applied VALUES (1, 0, ?, 0)", (_lsn_crc(0),))

    def _check(self) -> int:
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            raise NoCatalog
        (application,) = self._writer.execute("PRAGMA application_id").fetchone()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise self._damaged(f"it carries the mark {application:#x} instead of {APPLICATION_ID:#x}")
        if version % _TWICE != 0 or version <= 0:
            raise self._damaged(f"its format version reads {version:#x}")
        if version > SCHEMA_VERSION * _TWICE:
            raise UnsupportedFormat(
                f"{self._file} has the format version {version // _TWICE}, this Engram reads up to "
                f"{SCHEMA_VERSION}: upgrade engram-store"
            )
        found = self._writer.execute("SELECT lsn, crc FROM applied").fetchall()
        if len(found) != 1 or not isinstance(found[0][0], int) or _lsn_crc(found[0][0]) != found[0][1]:
            raise self._damaged("how much of the log it has applied cannot be read")
        return int(found[0][0])

    def _keys_after(self, last: int) -> list[int]:
        with self._mapped(), self._reader() as reader:
            found = reader.execute(
                f"SELECT key FROM memories WHERE key > ? ORDER BY key LIMIT {_KEYS_AT_ONCE}", (last,)
            ).fetchall()
        return [key for (key,) in found]

    def _checked(self, found: tuple[Any, ...]) -> Row:
        *fields, crc = found
        try:
            if _native.row_crc(*fields) == crc:
                _, id, content, metadata, confidence, created_at = fields
                return Row(
                    id.decode(),
                    None if content is None else content.decode(),
                    None if metadata is None else metadata.decode(),
                    confidence,
                    created_at,
                )
        except (TypeError, AttributeError, RuntimeError):
            pass  # a field of another type than was written
        raise self._damaged(f"the row of key {found[0]} does not match its checksum")

    def _damaged(self, what: str) -> CorruptionError:
        return CorruptionError(
            f"the catalog {self._file} is damaged: {what}; run `engram repair` to keep what can be kept",
            str(self._file),
        )

    def _no_room(self, what: str) -> OutOfSpace:
        return OutOfSpace(
            f"no room for the catalog {self._file} ({what}); nothing was lost: free some space and try again"
        )

    def _is_disk_full(self) -> bool:
        try:
            disk = os.statvfs(self._file.parent)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < _LITTLE_ROOM or (disk.f_files > 0 and disk.f_favail == 0)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "full" in text or (any(sign in text for sign in _SIGNS_OF_NO_ROOM) and self._is_disk_full()):
                raise self._no_room(text) from error
            if any(sign in text for sign in _SIGNS_OF_DAMAGE):
                raise self._damaged(text) from error
            raise EngramError(f"the catalog {self._file} cannot be used: {text}") from error
        except sqlite3.ProgrammingError as error:
            self._refuse_if_closed()
            raise EngramError(f"the catalog {self._file} cannot be used: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes what is damaged
            raise self._damaged(str(error)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._no_room(str(error)) from error
            raise EngramError(f"the catalog {self._file} cannot be read: {error}") from error


def _refuse_other_than_files(file: Path) -> None:
    for ending in _BESIDE:
        path = file.with_name(file.name + ending)
        if found := other_than_file(path):
            raise CorruptionError(
                f"{path} is {found} where a regular file belongs: move it away, and restore the file or run "
                "`engram repair`",
                str(path),
            )


def _insert(writer: sqlite3.Connection, rows: Iterable[CatalogRow], begin: int) -> None:
    new = iter(rows) if begin == 0 else (row for row in rows if row[0] >= begin)
    while piece := list(itertools.islice(new, _ROWS_PER_STATEMENT)):
        places = ",".join([_PLACES] * len(piece))
        writer.execute(f"INSERT OR REPLACE INTO memories VALUES {places}", _native.with_crcs(piece))
        _native.make_way()  # for those who store and recall: a transaction takes longer than they should wait


def _delete(writer: sqlite3.Connection, keys: Sequence[int]) -> None:
    for piece in _pieces(keys, _KEYS_PER_STATEMENT):
        padded = _pad(piece)
        writer.execute(f"DELETE FROM memories WHERE key IN ({','.join('?' * len(padded))})", padded)


def _lsn_crc(lsn: int) -> int:
    return _native.crc32c(_LSN.pack(lsn))


def _pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _pad(keys: Sequence[int]) -> list[int]:
    """The keys with the last one repeated up to a power of two, so that few statements serve every length."""
    return [*keys, *[keys[-1]] * ((1 << (len(keys) - 1).bit_length()) - len(keys))]
