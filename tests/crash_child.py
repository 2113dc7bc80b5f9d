"""The program that test_crash.py kills: stores for ever and prints what it was told is stored.

Run as ``python -m tests.crash_child FOLDER SEED THREADS``. Each line it prints is an acknowledged operation:
[thread, number]. What a thread does depends on the seed alone, so that the test knows what each wrote.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

import engram
from tests.crash_script import DIM, Operation, operations


def perform(store: engram.MemoryStore, operation: Operation) -> None:
    if operation.forgets:
        store.forget(operation.ids[0])
    elif len(operation.ids) == 1:
        store.store(operation.ids[0], operation.vectors[0], content=operation.contents[0])
    else:
        store.store_many(operation.ids, np.array(operation.vectors), contents=operation.contents)


def work(store: engram.MemoryStore, seed: int, thread: int) -> None:
    for operation in operations(seed, thread):
        perform(store, operation)
        line = json.dumps([thread, operation.number]) + "\n"
        os.write(1, line.encode())  # at once, and whole
        if thread == 0 and operation.number % 20 == 19:
            store.checkpoint()


def main() -> None:
    folder, seed, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.write(1, b"opening\n")
    store = engram.open(folder, DIM, metric="l2", fsync="always")
    os.write(1, b"opened\n")
    workers = [threading.Thread(target=work, args=(store, seed, number)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    signal.pause()


if __name__ == "__main__":
    main()
