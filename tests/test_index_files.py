"""Index.save and Index.load: what is written comes back, and no file can do harm."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram

RNG = np.random.default_rng(1)
BASE = RNG.normal(size=(1200, 12)).astype(np.float32)


def saved(path: Path, metric: Any = "l2", dtype: Any = "f32", n: int = 1200) -> engram.Index:
    index = engram.Index(12, metric=metric, dtype=dtype, M=8, ef_construction=60, seed=4)
    if n:
        index.add(np.arange(n) * 7, BASE[:n], threads=1)
        index.remove(np.arange(0, n, 10) * 7)
    index.save(path)
    return index


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("n", [0, 1, 1200])
def test_a_loaded_index_answers_as_the_saved_one(tmp_path: Path, metric: str, dtype: str, n: int) -> None:
    index = saved(tmp_path / "a.index", metric, dtype, n)

    loaded = engram.Index.load(tmp_path / "a.index")

    assert repr(loaded) == repr(index) and loaded.seed == 4
    for a, b in zip(index.search(BASE, 10, ef=30), loaded.search(BASE, 10, ef=30), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loaded_index_goes_on(tmp_path: Path) -> None:
    saved(tmp_path / "a.index")
    loaded = engram.Index.load(tmp_path / "a.index")
    more = RNG.normal(size=(500, 12)).astype(np.float32)

    loaded.add(np.arange(500) + 100_000, more)
    removed = loaded.remove(np.arange(1, 1200, 10) * 7)

    assert removed == 120 and len(loaded) == 1200 - 240 + 500
    assert (loaded.search(more, k=1)[0][:, 0] == np.arange(500) + 100_000).all()


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    saved(tmp_path / "a.index")
    saved(tmp_path / "a.index", n=10)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.index"]
    assert len(engram.Index.load(tmp_path / "a.index")) == 9


def test_a_file_that_is_not_there_or_a_folder_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.index", tmp_path):
        with pytest.raises(engram.InvalidInput, match=str(tmp_path)):
            engram.Index.load(path)
    for path in (tmp_path / "no folder" / "a.index", tmp_path):
        with pytest.raises(engram.InvalidInput, match=str(tmp_path)):
            engram.Index(3).save(path)
    assert not list(tmp_path.iterdir())


def test_what_the_system_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)
    for use in (engram.Index(3).save, engram.Index.load):
        with pytest.raises(engram.EngramError, match="File name too long"):
            use(path)


def test_saving_touches_nothing_but_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    saved(tmp_path / "a", n=2)
    assert (tmp_path / "a").is_symlink() and len(engram.Index.load(tmp_path / "b")) == 1
    assert (tmp_path / "a.tmp").read_text() == "mine"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(engram.InvalidInput, match="no regular file"):
        engram.Index(3).save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.tmp", "b", "pipe"]


def test_several_indexes_may_be_saved_to_one_path(tmp_path: Path) -> None:
    def save(count: int) -> None:
        index = engram.Index(4)
        index.add(np.arange(count), np.eye(4, dtype=np.float32)[:count])
        for _ in range(30):
            index.save(tmp_path / "a")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(1, 5)))
    assert 1 <= len(engram.Index.load(tmp_path / "a")) <= 4
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_newer_version_is_told_from_damage(tmp_path: Path) -> None:
    saved(tmp_path / "a.index", n=5)
    data = bytearray((tmp_path / "a.index").read_bytes())
    data[8] = 9
    (tmp_path / "a.index").write_bytes(data)
    with pytest.raises(engram.CorruptionError, match="checksum of its head"):
        engram.Index.load(tmp_path / "a.index")
    data[124:128] = engram._native.crc32c(bytes(data[:124])).to_bytes(4, "little")
    (tmp_path / "a.index").write_bytes(data)
    with pytest.raises(engram.UnsupportedFormat, match="version 9"):
        engram.Index.load(tmp_path / "a.index")


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = saved(path, n=60)
    data = path.read_bytes()
    want = index.search(BASE, 5)
    padding = 0
    for at in range(0, len(data), 37):
        broken = bytearray(data)
        broken[at] ^= 0x41
        path.write_bytes(broken)
        try:
            loaded = engram.Index.load(path)
        except engram.CorruptionError:
            continue
        padding += 1  # between sections: nothing that is read
        np.testing.assert_array_equal(loaded.search(BASE, 5)[0], want[0])
    assert padding < 10
    for size in range(0, len(data) - 64, 101):
        path.write_bytes(data[:size])
        with pytest.raises(engram.CorruptionError) as error:
            engram.Index.load(path)
        assert error.value.file == str(path)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def resealed(data: bytes, seed: int) -> bytes:
    """The file with some bytes changed and every checksum right again: what a hostile hand would make."""
    rng = np.random.default_rng(seed)
    broken = bytearray(data)
    for at in rng.integers(0, len(data), size=rng.integers(1, 6)).tolist():
        broken[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
    broken[124:128] = crc32c(bytes(broken[:124])).to_bytes(4, "little")
    at = 128
    while at + 64 <= len(broken):
        size = int.from_bytes(broken[at + 8 : at + 16], "little")
        payload = bytes(broken[at + 64 : at + 64 + size])
        broken[at + 4 : at + 8] = crc32c(payload).to_bytes(4, "little")
        broken[at + 60 : at + 64] = crc32c(bytes(broken[at : at + 60])).to_bytes(4, "little")
        at = (at + 64 + size + 63) // 64 * 64
    return bytes(broken)


def test_a_hostile_file_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = engram.Index(3, M=2, ef_construction=4)
    index.add(np.arange(40), BASE[:40, :3], threads=1)
    index.save(path)
    data = path.read_bytes()
    refused = 0
    for seed in range(250):
        path.write_bytes(resealed(data, seed))
        try:
            loaded = engram.Index.load(path)
            loaded.search(np.ones((3, loaded.dim)), 10)
            loaded.add(np.arange(5) + 1000, np.ones((5, loaded.dim)))
            loaded.remove(np.arange(20))
        except engram.EngramError:
            refused += 1
    assert 0 < refused < 250, refused


def test_what_lies_behind_the_end_of_a_list_of_links_is_not_taken_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    index = engram.Index(3, M=2, ef_construction=20)
    index.add(np.arange(60), rng.normal(size=(60, 3)).astype(np.float32), threads=1)
    index.save(tmp_path / "a.index")
    data = bytearray((tmp_path / "a.index").read_bytes())
    head, links_at, stride, most = 128, 16 + 4, 48, 4  # a record: code header, 3 values padded to 4, 4 links
    start, changed = head + 64, 0
    for slot in range(60):
        at = start + slot * stride + links_at
        links = np.frombuffer(data, "<u4", most, at).tolist()
        for place in range(links.index(0xFFFFFFFF) + 1 if 0xFFFFFFFF in links else most, most):
            data[at + 4 * place : at + 4 * place + 4] = (0x7FFFFFFF).to_bytes(4, "little")
            changed += 1
    size = int.from_bytes(data[head + 8 : head + 16], "little")
    data[head + 4 : head + 8] = crc32c(bytes(data[start : start + size])).to_bytes(4, "little")
    data[head + 60 : head + 64] = crc32c(bytes(data[head : head + 60])).to_bytes(4, "little")
    (tmp_path / "a.index").write_bytes(data)
    assert changed and size == 60 * stride

    loaded = engram.Index.load(tmp_path / "a.index")

    more = rng.normal(size=(300, 3)).astype(np.float32)
    loaded.add(np.arange(100, 400), more, threads=1)
    assert (loaded.search(more, 1)[1] == 0).all()


@pytest.mark.parametrize("name", ["a.index", "añ.index", os.fsdecode(b"\xff\xfe.index")])
@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_a_path_is_a_str_bytes_or_a_path(tmp_path: Path, name: str, kind: Any) -> None:
    path = kind(str(tmp_path / name))
    saved(path, n=2)
    assert len(engram.Index.load(path)) == 1  # `saved` removes the first


@pytest.mark.parametrize("path", ["", b"", "a\0b", b"a\0b", 3, None, "\ud800"], ids=ascii)
def test_a_path_that_names_no_file_is_refused(path: Any) -> None:
    for use in (engram.Index(12).save, engram.Index.load):
        with pytest.raises(engram.InvalidInput) as raised:
            use(path)
        assert repr(path) in str(raised.value)


def test_an_error_tells_a_path_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.index")
    path.write_bytes(b"no index" * 20)
    with pytest.raises(engram.CorruptionError) as raised:
        engram.Index.load(path)
    assert raised.value.file == str(path)
    with pytest.raises(engram.EngramError, match="\udcff"):
        engram.Index.load(tmp_path / "\udcff.missing")


@pytest.mark.parametrize("seed", [9001, 4001])
def test_what_goes_on_after_a_load_can_be_saved_and_loaded_again(tmp_path: Path, seed: int) -> None:
    """Slots that were free when a file was written lead to slots that others have taken since."""
    drawn = random.Random(seed)
    distinct = np.random.default_rng(seed).normal(size=(400, 32)).astype(np.float32)
    index, held = engram.Index(32, seed=seed), set[int]()
    for step in range(120):
        if drawn.random() < 0.5:  # few vectors for many labels: chains of copies
            labels = drawn.sample(range(2000), drawn.choice([64, 200, 600]))
            few = drawn.sample(range(400), drawn.choice([1, 3, 10, 50]))
            index.add(labels, distinct[[drawn.choice(few) for _ in labels]], threads=1)
            held |= set(labels)
        elif held:
            labels = drawn.sample(sorted(held), min(len(held), drawn.choice([1, 10, 100, 300])))
            index.remove(labels)
            held -= set(labels)
        if step % 3 == 2:
            index.save(tmp_path / "a.index")
            loaded = engram.Index.load(tmp_path / "a.index")
            assert len(loaded) == len(held)
            if drawn.random() < 0.3:
                index = loaded
    found, _ = index.search(distinct, len(held), ef=len(held))
    assert set(found[0].tolist()) == held
