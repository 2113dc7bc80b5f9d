"""What the disk gives: bytes written over blocks that were written before, each piece with its fdatasync."""

from __future__ import annotations

import os
import time
from pathlib import Path

# A group of one record of the log: a memory of 128 dimensions, its id and a short text.
RECORD_BYTES = 632


class Bare:
    """A file of zeros to overwrite piece by piece. The bytes of one piece are given, or RECORD_BYTES."""

    def __init__(self, file: Path, pieces: int, size: int = RECORD_BYTES) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._piece = b"\7" * size
        self._at = 0
        for begin in range(0, pieces * size, 1 << 20):
            os.pwrite(self._file, bytes(min(1 << 20, pieces * size - begin)), begin)
        os.fsync(self._file)

    def run(self, pieces: int) -> list[float]:
        """Seconds that each of so many pieces took."""
        took = []
        clock, write, sync = time.perf_counter, os.pwrite, os.fdatasync
        for _ in range(pieces):
            begin = clock()
            write(self._file, self._piece, self._at)
            sync(self._file)
            took.append(clock() - begin)
            self._at += len(self._piece)
        return took

    def close(self) -> None:
        os.close(self._file)
