"""Files that every released format version wrote open, and hold what they held (made by golden/make.py)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(each.name.removesuffix(".tar.gz") for each in GOLDEN.glob("v*.tar.gz"))


@pytest.fixture
def unpacked(version: str, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The files of a version, and what they hold."""
    with tarfile.open(GOLDEN / f"{version}.tar.gz") as packed:
        for member in packed.getmembers():
            assert not Path(member.name).is_absolute() and ".." not in Path(member.name).parts
        packed.extractall(tmp_path)
    return tmp_path, json.loads((GOLDEN / f"{version}.json").read_text(encoding="utf-8"))


def check(store: engram.MemoryStore, wanted: dict[str, Any]) -> None:
    assert (store.dim, store.metric) == (wanted["dim"], wanted["metric"])
    assert sorted(store) == sorted(wanted["memories"])
    for id, memory in wanted["memories"].items():
        found = store.get(id)
        assert found is not None
        assert found.vector.tobytes().hex() == memory["vector"]
        assert (found.content, dict(found.metadata)) == (memory["content"], memory["metadata"])
        assert (found.confidence, found.created_at) == (memory["confidence"], memory["created_at"])
    hits = store.recall(np.ones(store.dim), k=1000, ef=1000)
    assert sorted(hit.id for hit in hits) == sorted(wanted["memories"])
    store.verify()


def test_there_are_golden_files() -> None:
    assert "v1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_stores_of_every_version_open_and_go_on(unpacked: tuple[Path, dict[str, Any]]) -> None:
    root, content = unpacked
    for name, wanted in content["stores"].items():
        with engram.open(root / name, read_only=True) as store:
            check(store, wanted)
        with engram.open(root / name) as store:
            check(store, wanted)
            store.store("new", np.ones(wanted["dim"]), content="text")
            store.checkpoint()
        with engram.open(root / name) as store:
            assert store.forget("new") is not None
            check(store, wanted)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_index_of_every_version_loads(unpacked: tuple[Path, dict[str, Any]]) -> None:
    root, content = unpacked
    index = engram.Index.load(root / "index")
    assert len(index) == 39
    cue = np.random.default_rng(3).standard_normal(8).astype(np.float32)
    assert index.search(cue[None], 5)[0][0].tolist() == content["index"]["nearest"]
