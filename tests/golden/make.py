"""Makes the golden files of the present format version: ``python tests/golden/make.py``, once a version.

``v<N>.tar.gz`` holds stores and an index as this version wrote them, ``v<N>.json`` what they hold. Both are
kept for ever: every later version must open them (tests/test_golden.py). A version that is out is never made
again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

import engram

FORMAT_VERSION = 1
DIM = 8
HERE = Path(__file__).parent
TIME = 1_700_000_000.0

Metric = Literal["cosine", "l2", "ip"]


def vector(row: int) -> np.ndarray:
    return np.random.default_rng(row).standard_normal(DIM).astype(np.float32)


def fill(store: engram.MemoryStore, begin: int, end: int) -> None:
    """One memory a call, some texts and metadata missing, some ids replaced, some forgotten; then a batch."""
    for row in range(begin, end):
        content = None if row % 5 == 0 else f"text {row}: größer, 記憶"
        metadata: dict[str, int | float | str] = {
            "row": row,
            "even": row % 2 == 0,
            "share": row / 7,
            "name": "größer",
        }
        store.store(
            f"m{row % 20}",
            vector(row),
            content=content,
            metadata=metadata if row % 3 else None,
            confidence=1 / (1 + row),
        )
    store.forget(f"m{begin % 20}")
    store.store_many(
        [f"b{row}" for row in range(begin, begin + 6)], np.stack([vector(row) for row in range(6)])
    )


def held_by(folder: Path) -> dict[str, Any]:
    held = {}
    with engram.open(folder, read_only=True) as store:
        store.verify()
        for id in sorted(store):
            memory = store.get(id)
            assert memory is not None
            held[id] = {
                "vector": memory.vector.tobytes().hex(),
                "content": memory.content,
                "metadata": dict(memory.metadata),
                "confidence": memory.confidence,
                "created_at": memory.created_at,
            }
        return {"dim": store.dim, "metric": store.metric, "memories": held}


def live(folder: Path, metric: Metric, checkpoint: bool) -> engram.MemoryStore:
    """Two lives of a store, the second still open."""
    ticks = iter(range(1_000_000))
    config = engram.Config(clock=lambda: TIME + next(ticks), checkpoint_bytes=None)
    with engram.open(folder, DIM, metric=metric, config=config) as store:
        fill(store, 0, 30)
        if checkpoint:
            store.checkpoint()
    store = engram.open(folder, config=config)
    fill(store, 30, 45)
    store.wait_indexed()
    return store


def make_store(folder: Path, metric: Metric, *, checkpoint: bool, killed: bool) -> None:
    if not killed:
        live(folder, metric, checkpoint).close()
        return
    child = os.fork()
    if child == 0:
        try:
            live(folder, metric, checkpoint)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == signal.SIGKILL, "the child ended otherwise"


def main() -> None:
    archive = HERE / f"v{FORMAT_VERSION}.tar.gz"
    if archive.exists() and "--again" not in sys.argv[1:]:
        raise SystemExit(
            f"{archive} is there: a version that is out stays as it is (--again before it is out)"
        )
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_store(root / "closed", "l2", checkpoint=True, killed=False)
        make_store(root / "killed", "cosine", checkpoint=True, killed=True)
        make_store(root / "log-only", "ip", checkpoint=False, killed=False)
        stores = {each.name: held_by(each) for each in sorted(root.iterdir())}
        index = engram.Index(DIM, "l2", M=8, dtype="bf16")
        index.add(np.arange(40), np.stack([vector(row) for row in range(40)]))
        index.remove([7])
        index.save(root / "index")
        labels, _ = index.search(vector(3)[None], 5)
        content = {"engram": engram.__version__, "stores": stores, "index": {"nearest": labels[0].tolist()}}
        (HERE / f"v{FORMAT_VERSION}.json").write_text(
            json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        with tarfile.open(archive, "w:gz", compresslevel=9) as packed:
            packed.add(root, ".", filter=_anonymous)
    print(f"{archive}: {archive.stat().st_size:,} bytes")


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = int(TIME)
    return info


if __name__ == "__main__":
    main()
