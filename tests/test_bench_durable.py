"""The comparison of durable stores: its adapters' interface, its counting of syncs, a run from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.ann.synthetic import synthetic
from benchmarks.common.installed import UnavailableError
from benchmarks.durable import syncs
from benchmarks.durable.adapters import STORES, Memory, Store
from benchmarks.durable.cli import main


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def usable(name: str) -> type[Store]:
    try:
        STORES[name].version()
    except UnavailableError as error:
        pytest.skip(f"{name}: {error}")
    return STORES[name]


@pytest.mark.filterwarnings("default")  # the stores' own warnings are theirs to mend
@pytest.mark.parametrize("name", STORES)
def test_every_store_finds_after_reopening_what_was_inserted_one_by_one_and_in_batches(
    name: str, tmp_path: Path
) -> None:
    kind = usable(name)
    base, _ = synthetic(300, 1, dim=16)
    memories = [Memory(number, vector.copy()) for number, vector in enumerate(base)]
    writer = kind(tmp_path, 16, "l2")

    writer.create()
    for memory in memories[:5]:
        writer.insert(memory)
    writer.insert_many(memories[5:])
    writer.finish()
    writer.close()
    reader = kind(tmp_path, 16, "l2")
    reader.open()
    found = [reader.numbers(reader.recall(base[number], 3)) for number in (0, 4, 5, 299)]
    reader.close()

    assert [row[0] for row in found] == [0, 4, 5, 299]
    assert all(len(set(row)) == 3 for row in found)


TRACE = """\
100 openat(AT_FDCWD, "/x/log", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 3
100 fsync(3)                          = 0
100 access("/engram-benchmark-mark/begin-singles", F_OK) = -1 ENOENT (No such file or directory)
100 fdatasync(3)                      = 0
101 fdatasync(4 <unfinished ...>
100 msync(0x7f00, 4096, MS_ASYNC)     = 0
100 msync(0x7f00, 4096, MS_SYNC)      = 0
101 <... fdatasync resumed>)          = 0
100 access("/engram-benchmark-mark/end-singles", F_OK) = -1 ENOENT (No such file or directory)
100 fsync(3)                          = 0
"""


def test_syncs_are_counted_between_the_marks_once_each() -> None:
    found = syncs.count(TRACE, "singles")

    assert found.calls == {"fdatasync": 2, "msync": 1}
    assert found.total == 3
    assert found.synchronous_files == 0
    assert not found.io_uring


def test_files_that_sync_by_themselves_are_noticed() -> None:
    found = syncs.count(TRACE.replace("O_RDWR|", "O_RDWR|O_DSYNC|"), "singles")

    assert found.synchronous_files == 1


def test_a_trace_without_the_marks_is_no_zero() -> None:
    with pytest.raises(ValueError, match="no stretch 'batches'"):
        syncs.count(TRACE, "batches")


def test_a_run_counts_a_sync_an_insert_for_a_store_that_makes_one(own_folders: Path) -> None:
    arguments = ["--dataset", "synthetic", "--limit", "400", "--query-count", "10", "--rounds", "1"]

    assert main([*arguments, "--stores", "toy"]) == 0

    [toy] = json.loads((own_folders / "results" / "durable.json").read_text())["stores"]
    assert toy["missing"] is None
    assert toy["recalls"]["recall_10"] == 1.0
    assert toy["bulk"]["rows"] == 400
    assert toy["reopened"]["disk_bytes"] >= 400 * 128 * 4
    if syncs.available() and "unknown" not in toy["syncs"]:
        assert toy["syncs"]["singles"]["per_insert"] == 1.0
        assert toy["syncs"]["batches"]["per_insert"] == pytest.approx(0.01)


def test_a_store_that_loads_too_long_is_measured_with_what_it_holds(own_folders: Path) -> None:
    arguments = ["--dataset", "synthetic", "--limit", "400", "--query-count", "10", "--rounds", "1"]

    assert main([*arguments, "--stores", "toy", "--load-seconds", "1e-9"]) == 0

    [toy] = json.loads((own_folders / "results" / "durable.json").read_text())["stores"]
    assert toy["bulk"]["rows"] == 100
    assert toy["recalls"]["recall_10"] == 1.0


def test_an_unknown_store_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stores", "nobody"]) == 2
    assert "unknown store nobody" in capsys.readouterr().err


def test_memories_have_the_id_of_their_number() -> None:
    assert Memory(12, np.zeros(3, np.float32)).id == "m12"
