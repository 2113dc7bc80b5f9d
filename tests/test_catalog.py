"""The catalog: what it keeps, what it applies once, and what it does when its file is damaged."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram.catalog import Catalog, CatalogRow, LayeredCatalog, RamCatalog, Row
from engram.catalog_open import open_catalog
from engram.catalog_sqlite import SqliteCatalog

ROWS: list[CatalogRow] = [
    (8, "a", "text", '{"n":1}', 1.0, 1.5),
    (16, "é" * 200, None, None, 0.1, 0.0),
    (24, "c\0", "", "{}", 1e-300, 1e300),
]


@pytest.fixture(params=["ram", "sqlite", "layered"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made: Catalog
    if request.param == "ram":
        made = RamCatalog()
    elif request.param == "sqlite":
        made = SqliteCatalog(tmp_path / "catalog.sqlite")
    else:
        made = LayeredCatalog(RamCatalog())
    yield made
    made.close()


def test_rows_come_back_as_they_were_applied(catalog: Catalog) -> None:
    catalog.apply(ROWS, [], 100)

    assert catalog.applied == 100
    assert catalog.read([8, 16, 24, 999]) == {row[0]: Row(*row[1:]) for row in ROWS}
    assert catalog.read([]) == {}
    assert catalog.verify() == 3


def test_applying_twice_or_again_from_before_changes_nothing(catalog: Catalog) -> None:
    catalog.apply(ROWS, [], 100)
    catalog.apply([(120, "a", "new", None, 1.0, 2.0)], [8], 200)

    catalog.apply(ROWS, [], 100)
    catalog.apply([*ROWS, (120, "a", "other", None, 1.0, 2.0)], [8], 200)
    catalog.apply([*ROWS, (208, "d", None, None, 1.0, 2.0)], [8], 300)

    assert catalog.applied == 300
    assert sorted(catalog.read([8, 16, 24, 120, 208])) == [16, 24, 120, 208]
    assert catalog.read([120])[120].content == "new"
    assert catalog.verify() == 4


def test_retired_rows_are_gone(catalog: Catalog) -> None:
    catalog.apply(ROWS, [], 100)
    catalog.apply([], [8, 24, 999], 200)

    assert list(catalog.read([8, 16, 24])) == [16]


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 511, 512, 513, 5000])
def test_batches_of_every_size(tmp_path: Path, count: int) -> None:
    rows: list[CatalogRow] = [(8 * row, str(row), f"text {row}", None, 1.0, 0.0) for row in range(count)]
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")

    catalog.apply(rows, [], 8 * count)
    assert catalog.verify() == count
    assert len(catalog.read([row[0] for row in rows])) == count
    catalog.apply([], [row[0] for row in rows[::2]], 8 * count + 8)
    assert catalog.verify() == count // 2
    catalog.close()


def test_what_was_applied_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for turn in range(3):
        catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
        assert (catalog.applied, catalog.verify()) == (turn * 8, turn)
        catalog.apply([(turn * 8, str(turn), None, None, 1.0, 0.0)], [], turn * 8 + 8)
        catalog.close()
        catalog.close()
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.sqlite"]


def test_a_batch_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    catalog.apply(ROWS, [], 100)
    broken: Any = [(208, "d", None, None, 1.0, 0.0), (216, "e", 1.0, None, 1.0, 0.0)]

    for _ in range(2):
        with pytest.raises(TypeError):
            catalog.apply(broken, [8], 300)
    assert (catalog.applied, catalog.verify()) == (100, 3)

    catalog.apply([], [8], 300)
    assert catalog.verify() == 2
    catalog.close()


def test_readers_and_the_writer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    catalog.apply([(8, "a", "text", None, 1.0, 0.0)], [], 16)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(300):
                assert catalog.read([8])[8].content == "text"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(2, 60):
        catalog.apply([(turn * 8 + row, "x", "y" * 50, None, 1.0, 0.0) for row in range(8)], [], turn * 8 + 8)
    for thread in threads:
        thread.join()
    catalog.close()

    assert failures == []


# -- damage


@pytest.fixture
def sound(folder: Path) -> Path:
    """A small store, closed."""
    with engram.open(folder, 2, metric="l2") as store:
        store.store_many(
            [f"id {row}" for row in range(30)],
            np.arange(60).reshape(30, 2),
            contents=[f"the text of memory {row}" for row in range(30)],
            metadata=[{"row": row} for row in range(30)],
        )
    return folder


def read_everything(folder: Path, *, read_only: bool) -> None:
    """Raises CorruptionError, or everything is as it was stored: never a wrong text."""
    with engram.open(folder, read_only=read_only) as store:
        assert len(store) == 30
        for row in range(30):
            found = store.get(f"id {row}")
            assert found is not None
            assert found.vector.tolist() == [2 * row, 2 * row + 1]
            assert found.content == f"the text of memory {row}"
            assert found.metadata == {"row": row}
        hits = store.recall([0, 1], k=30)
        assert sorted(hit.content or "" for hit in hits) == sorted(
            f"the text of memory {row}" for row in range(30)
        )
        store.verify()


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4096, 5000, 8192, 12000])
def test_a_truncated_catalog_is_an_error_or_built_again(sound: Path, size: int) -> None:
    path = sound / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[:size])

    for read_only in (True, False):
        if size < 2:  # SQLite takes it for a new file
            read_everything(sound, read_only=read_only)
        else:
            with pytest.raises(engram.CorruptionError, match="catalog"):
                read_everything(sound, read_only=read_only)


def test_a_missing_catalog_is_built_again_from_the_log(sound: Path) -> None:
    (sound / "catalog.sqlite").unlink()

    read_everything(sound, read_only=True)
    read_everything(sound, read_only=False)
    with contextlib.closing(SqliteCatalog(sound / "catalog.sqlite", read_only=True)) as catalog:
        assert catalog.verify() == 30


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE memories SET content = 'forged' WHERE id = 'id 3'",
        "UPDATE memories SET metadata = NULL WHERE id = 'id 3'",
        "UPDATE memories SET id = 'id 4' WHERE id = 'id 3'",
        "UPDATE memories SET confidence = 0.5 WHERE id = 'id 3'",
        "UPDATE memories SET created_at = 0 WHERE id = 'id 3'",
        "UPDATE memories SET key = 7 WHERE id = 'id 3'",
        "UPDATE memories SET content = 5 WHERE id = 'id 3'",
        "UPDATE memories SET crc = crc + 1 WHERE id = 'id 3'",
        "DELETE FROM memories WHERE id = 'id 3'",
        "UPDATE applied SET lsn = lsn - 8",
        "DELETE FROM applied",
        "DROP TABLE memories",
        "PRAGMA application_id = 7",
    ],
)
def test_a_changed_row_is_damage(sound: Path, statement: str) -> None:
    change(sound, statement)

    for read_only in (True, False):
        with pytest.raises(engram.CorruptionError) as caught:
            read_everything(sound, read_only=read_only)
        assert "catalog" in caught.value.file or str(sound) in caught.value.file


def test_a_damaged_row_spoils_no_other(sound: Path) -> None:
    change(sound, "UPDATE memories SET content = 'forged' WHERE id = 'id 3'")

    with engram.open(sound) as store:
        with pytest.raises(engram.CorruptionError, match="checksum"):
            store.get("id 3")
        found = store.get("id 4")
        assert found is not None
        assert found.content == "the text of memory 4"
        with pytest.raises(engram.CorruptionError):
            store.verify()


def test_a_catalog_ahead_of_the_log_is_refused(sound: Path) -> None:
    shorter = sound.with_name("shorter")
    with engram.open(shorter, 2, metric="l2") as store:
        store.store("a", [1, 2])
    shutil.copy(sound / "catalog.sqlite", shorter / "catalog.sqlite")

    for read_only in (True, False):
        with pytest.raises(engram.CorruptionError, match="log"):
            engram.open(shorter, read_only=read_only)


def test_a_store_in_ram_has_its_catalog_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with engram.open(None, 2) as store:
        store.store("a", [1, 2], content="text")
        store.wait_indexed()
        found = store.get("a")
        assert found is not None
        assert found.content == "text"
    assert list(tmp_path.iterdir()) == []
    assert isinstance(open_catalog(None, read_only=False), RamCatalog)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_header_that_names_no_format_of_sqlite_is_damage(folder: Path, read_only: bool) -> None:
    with engram.open(folder, 2) as store:
        store.store("a", [1, 2])
    catalog = folder / "catalog.sqlite"
    changed = bytearray(catalog.read_bytes())
    changed[47] = 9  # the schema's format; SQLite knows 1 to 4
    catalog.write_bytes(changed)

    with pytest.raises(engram.CorruptionError, match=r"catalog\.sqlite"):
        engram.open(folder, read_only=read_only)


def test_a_catalog_beyond_the_end_of_the_log_is_refused_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    with engram.open(folder, 8) as store:
        store.store("a", np.ones(8))
    shutil.copytree(folder / "wal", tmp_path / "wal")
    with engram.open(folder) as store:
        store.store("b", np.ones(8))
    shutil.rmtree(folder / "wal")
    shutil.copytree(tmp_path / "wal", folder / "wal")

    with pytest.raises(engram.CorruptionError, match=r"the log ends at .* run `engram repair`") as refused:
        engram.open(folder)

    assert (refused.value.file, refused.value.offset) == (str(folder), 0), "no byte of a file: an LSN is none"
