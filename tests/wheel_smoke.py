"""What an installed wheel must do on any processor, with numpy alone: a script, run away from the sources."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import engram

DIM = 37  # no multiple of any register
COUNT = 400


def check_installation() -> None:
    """The package came from the wheel, whole, and nothing but numpy with it."""
    folder = Path(engram.__file__).parent
    assert "site-packages" in folder.parts, f"{folder} is not an installed package"
    assert (folder / "py.typed").is_file() and (folder / "_native.pyi").is_file()
    assert engram.__version__ == importlib.metadata.version("engram-store")
    asked = os.environ.get("ENGRAM_ISA")
    info = engram.build_info()
    print(f"engram {engram.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}: {info}")
    assert asked is None or info["isa"] == asked, f"ENGRAM_ISA={asked} gave {info}"


def check_store(folder: Path, vectors: NDArray[np.float32]) -> None:
    """Stores, reopens and finds each memory first by its own vector, bit for bit as it was stored."""
    ids = [f"memory {number}" for number in range(COUNT)]
    with engram.open(folder, dim=DIM) as memory:
        memory.store("first", vectors[0], content="told once", metadata={"topic": "smoke"})
        memory.store_many(ids, vectors)
        assert memory.forget("first") is not None
    with engram.open(folder) as memory:
        assert len(memory) == COUNT and "first" not in memory
        for number, id in enumerate(ids):
            stored = memory.get(id)
            assert stored is not None and np.array_equal(stored.vector, vectors[number])
        memory.wait_indexed()
        for number in range(0, COUNT, 10):
            (hit,) = memory.recall(vectors[number], k=1)
            assert hit.id == ids[number] and abs(hit.distance) < 1e-5, (number, hit)
        memory.verify()


def check_index(vectors: NDArray[np.float32], metric: Literal["l2", "cosine", "ip"]) -> None:
    """The graph finds what brute force finds."""
    index = engram.Index(DIM, metric=metric)
    index.add(np.arange(COUNT), vectors)
    labels, distances = index.search(vectors[:50], k=10, ef=200)
    judge = brute_force(vectors[:50], vectors, metric)
    np.testing.assert_allclose(distances, np.sort(judge)[:, :10], rtol=1e-4, atol=1e-4)
    nearest = np.argsort(judge)[:, :10]
    found = sum(len(set(row) & set(best)) for row, best in zip(labels, nearest, strict=True))
    assert found >= 495, f"{metric}: only {found} of 500 neighbours found"


def brute_force(queries: NDArray[Any], base: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """Distances in float64 of each query to each row of the base."""
    queries, base = queries.astype(np.float64), base.astype(np.float64)
    if metric == "l2":
        squares: NDArray[np.float64] = np.square(queries[:, None] - base[None]).sum(-1)
        return squares
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
    similarities: NDArray[np.float64] = queries @ base.T
    return 1.0 - similarities


def check_error(folder: Path) -> None:
    """An error comes out of native code as its Python class."""
    with engram.open(folder) as memory:
        try:
            memory.recall(np.ones(DIM + 1, np.float32))
        except engram.DimensionMismatch as error:
            assert str(DIM + 1) in str(error) and str(DIM) in str(error)
        else:
            raise AssertionError("a cue of the wrong length was taken")


def check_command_line() -> None:
    """Without the extra the command says how to get it."""
    if importlib.util.find_spec("typer") is not None:
        return
    from engram.cli import main

    try:
        main()
    except SystemExit as end:
        assert end.code not in (0, None), "the command ended well without its extra"
    else:
        raise AssertionError("the command ran without its extra")


def main() -> None:
    """Run every check."""
    check_installation()
    vectors = np.random.default_rng(7).standard_normal((COUNT, DIM), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        check_store(Path(folder) / "memories", vectors)
        check_error(Path(folder) / "memories")
    check_index(vectors, "l2")
    check_index(vectors, "cosine")
    check_index(vectors, "ip")
    check_command_line()
    print("the wheel works")


if __name__ == "__main__":
    main()
