"""The child of the demo: stores what it is given, one memory at a time, and says so after each."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from engram.opening import open as open_store


def main() -> None:
    """Run as ``python -m engram.demo.writer STORE ROWS.npz``, until somebody kills it."""
    folder, rows = map(Path, sys.argv[1:])
    with np.load(rows) as arrays:
        ids, texts, vectors = arrays["ids"], arrays["texts"], arrays["vectors"]
    with open_store(folder, vectors.shape[1], fsync="always") as store:
        for row in range(len(ids)):
            store.store(str(ids[row]), vectors[row], content=str(texts[row]))
            print(row, flush=True)


if __name__ == "__main__":
    main()
