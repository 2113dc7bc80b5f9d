"""Reads what can be read of a damaged catalog, from a copy of its files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import _native
from .catalog import Row
from .catalog_sqlite import _READ, _lsn_crc

_AT_ONCE = 128


class SalvagedCatalog:
    """The rows of a catalog whose checksums are right.

    Attributes
    ----------
    keys : the id of every row that is there, by key; None where the row does not match its checksum
    applied : everything below this LSN is in it; 0 when that cannot be read
    whole : nothing in it is damaged
    """

    def __init__(self, file: Path, copy: Path) -> None:
        self.keys: dict[int, str | None] = {}
        self.applied = 0
        self.whole = False
        self._connection: sqlite3.Connection | None = None
        if not file.is_file():
            return
        copy.mkdir()
        for each in (file, file.with_name(file.name + "-wal")):
            if each.is_file():
                shutil.copyfile(each, copy / each.name)
        self._connection = sqlite3.connect(copy / file.name, isolation_level=None)
        self._connection.text_factory = bytes
        # So SQLite keeps its index of the -wal in memory: in a file of a full disk it would look like damage.
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        with contextlib.suppress(sqlite3.Error):
            self.applied = self._read_applied()
        self.whole = self._scan(ascending=True) and self.applied > 0 and self._is_sound()
        if not self.whole:  # from the other end, up to where the first scan broke off
            self._scan(ascending=False)

    def read(self, keys: Sequence[int]) -> dict[int, Row]:
        """The rows of those keys that are there and match their checksums."""
        rows: dict[int, Row] = {}
        for at in range(0, len(keys), _AT_ONCE):
            piece = keys[at : at + _AT_ONCE]
            for found in self._select(piece):
                row = _checked(found)
                if row is not None:
                    rows[found[0]] = row
        return rows

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _select(self, keys: Sequence[int]) -> list[tuple[Any, ...]]:
        if self._connection is None or not keys:
            return []
        places = ",".join("?" * len(keys))
        try:
            return self._connection.execute(f"{_READ}WHERE key IN ({places})", list(keys)).fetchall()
        except sqlite3.Error:  # one of them lies in a broken page
            return [] if len(keys) == 1 else [row for key in keys for row in self._select([key])]

    def _read_applied(self) -> int:
        assert self._connection is not None
        found = self._connection.execute("SELECT lsn, crc FROM applied").fetchall()
        good = len(found) == 1 and isinstance(found[0][0], int) and _lsn_crc(found[0][0]) == found[0][1]
        return int(found[0][0]) if good else 0

    def _is_sound(self) -> bool:
        assert self._connection is not None
        try:
            (said,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error:
            return False
        return bytes(said) == b"ok" and None not in self.keys.values()

    def _scan(self, *, ascending: bool) -> bool:
        """Notes the keys and ids of all rows from one end on; False when it did not come to the other."""
        try:
            for found in self._walk(ascending):
                row = _checked(found)
                self.keys.setdefault(found[0], None if row is None else row.id)
        except sqlite3.Error:
            return False
        return True

    def _walk(self, ascending: bool) -> Iterator[tuple[Any, ...]]:
        assert self._connection is not None
        after, order = (">", "ASC") if ascending else ("<", "DESC")
        last = -1 if ascending else 2**63 - 1
        while found := self._connection.execute(
            f"{_READ}WHERE key {after} ? ORDER BY key {order} LIMIT {_AT_ONCE}", (last,)
        ).fetchall():
            if not ascending and found[0][0] in self.keys:
                return
            yield from found
            last = found[-1][0]


def _checked(found: tuple[Any, ...]) -> Row | None:
    *fields, crc = found
    try:
        if _native.row_crc(*fields) != crc:
            return None
        _, id, content, metadata, confidence, created_at = fields
        texts = [None if text is None else text.decode() for text in (content, metadata)]
        return Row(id.decode(), texts[0], texts[1], confidence, created_at)
    except (TypeError, AttributeError, RuntimeError, UnicodeDecodeError):
        return None
