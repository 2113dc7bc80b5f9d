"""A forked child cannot use or harm its parent's store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import engram

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def in_child(do: Callable[[], object]) -> int:
    """Runs `do` in a forked child that ends at once; its exit code, or that it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # "multi-threaded process uses fork": so it does
        child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    waited: list[int] = []
    waiter = threading.Thread(target=lambda: waited.append(os.waitpid(child, 0)[1]))
    waiter.start()
    waiter.join(30)
    if not waited:
        os.kill(child, 9)
        waiter.join()
        pytest.fail("the child hangs")
    return os.waitstatus_to_exitcode(waited[0])


def check_refusal(call: Callable[[], object]) -> None:
    try:
        call()
    except engram.EngramError as error:
        assert "fork" in str(error), error
    else:
        raise AssertionError("the child could use the store")


@pytest.mark.parametrize("in_ram", [False, True], ids=["folder", "ram"])
def test_a_child_that_touches_the_store_gets_an_error(folder: Path, in_ram: bool) -> None:
    with engram.open(None if in_ram else folder, 4) as store:
        store.store("a", np.ones(4), content="text")
        found = store.recall(np.ones(4))

        def touch() -> None:
            for call in (
                lambda: store.store("b", np.ones(4)),
                lambda: store.store_many(["b"], np.ones((1, 4))),
                lambda: store.recall(np.ones(4)),
                lambda: store.get("a"),
                lambda: store.forget("a"),
                lambda: len(store),
                lambda: list(store),
                lambda: "a" in store,
                lambda: store.wait(0, "durable"),
                store.wait_indexed,
                store.flush,
                store.stats,
                store.verify,
                store.__enter__,
                lambda: found[0].content,
            ):
                check_refusal(call)
            assert "forked" in repr(store)
            store.close()
            store.__exit__(None, None, None)

        assert in_child(touch) == 0
        assert found[0].content == "text"
        store.store("b", np.ones(4))
        assert store.wait_indexed(timeout=30)
        assert len(store) == 2


def test_the_parent_goes_on_and_keeps_its_lock(folder: Path) -> None:
    with engram.open(folder, 4) as store:
        store.store("a", np.ones(4), content="one")
        assert in_child(store.close) == 0

        def lock_is_held() -> None:
            with pytest.raises(engram.StoreLocked):
                engram.open(folder)

        assert in_child(lock_is_held) == 0
        store.store("b", np.ones(4), content="two")
        assert store.wait_indexed(timeout=30)
        found = store.get("a")
        assert found is not None
        assert found.content == "one"
    with engram.open(folder) as store:
        assert sorted(store) == ["a", "b"]


def test_the_lock_ends_with_the_parent_though_a_child_lives_on(folder: Path) -> None:
    reader, writer = os.pipe()
    store = engram.open(folder, 4)
    store.store("a", np.ones(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent says so
        os._exit(0)
    os.close(reader)
    try:
        store.close()
        with engram.open(folder) as again:
            assert list(again) == ["a"]
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_a_child_that_ends_like_a_program_harms_nothing(folder: Path) -> None:
    """A whole interpreter ends in the child: atexit, finalizers, module teardown."""
    code = f"""
import os, sys, engram, numpy as np
store = engram.open({str(folder)!r}, 8, metric="l2")
store.store_many([str(row) for row in range(500)], np.random.default_rng(0).standard_normal((500, 8)),
                 contents=[f"text {{row}}" for row in range(500)])
readers = [hit.content for hit in store.recall(np.ones(8))]
if os.fork() == 0:
    del readers
    sys.exit(7)
_, status = os.wait()
assert os.waitstatus_to_exitcode(status) == 7, status
store.store("after", np.ones(8), content="after")
assert store.wait_indexed(timeout=30)
assert store.recall(np.ones(8), k=1)[0].content == "after"
assert store.get("3").content == "text 3"
store.verify()
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    with engram.open(folder) as store:
        assert len(store) == 501
        store.verify()


def test_a_child_of_a_busy_store_does_not_hang(folder: Path) -> None:
    stop = threading.Event()
    with engram.open(folder, 16, fsync="never") as store:

        def keep_storing() -> None:
            rng = np.random.default_rng(0)
            while not stop.is_set():
                store.store(str(rng.integers(1000)), rng.standard_normal(16), content="x" * 100)

        def keep_recalling() -> None:
            while not stop.is_set():
                [hit.content for hit in store.recall(np.ones(16))]

        threads = [threading.Thread(target=target) for target in (keep_storing, keep_recalling)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                assert in_child(lambda: check_refusal(lambda: store.recall(np.ones(16)))) == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        store.verify()


def test_a_child_can_open_a_store_of_its_own(tmp_path: Path) -> None:
    with engram.open(tmp_path / "parent", 4) as store:
        store.store("a", np.ones(4))

        def open_another() -> None:
            with engram.open(tmp_path / "child", 4) as own:
                own.store("b", np.ones(4), content="text")
                assert own.wait_indexed(timeout=30)
                assert own.recall(np.ones(4))[0].content == "text"

        assert in_child(open_another) == 0
    with engram.open(tmp_path / "child") as own:
        assert list(own) == ["b"]


def test_a_child_forked_while_another_thread_opens_keeps_no_lock(folder: Path) -> None:
    engram.open(folder, 2).close()
    stop = threading.Event()

    def open_and_close() -> None:
        while not stop.is_set():
            engram.open(folder, config=engram.Config(recall_probe=0)).close()

    thread = threading.Thread(target=open_and_close)
    thread.start()
    ended, hold = os.pipe()
    children = []
    try:
        for _ in range(30):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                os.close(hold)
                os.read(ended, 1)  # lives until the parent lets go
                os._exit(0)
            children.append(child)
    finally:
        stop.set()
        thread.join()
    try:
        engram.open(folder).close()
    finally:
        os.close(hold)
        for child in children:
            os.waitpid(child, 0)
        os.close(ended)
