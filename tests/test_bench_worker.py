"""The worker protocol: answers, errors, crashes and silence, each told apart."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from benchmarks.common.worker import ROOT, Worker, WorkerError

TARGET = f"{__name__}:Toy"


class Toy:
    """Runs inside the worker."""

    def echo(self, value: Any) -> Any:
        return value

    def pid(self) -> int:
        return os.getpid()

    def print_and_add(self, a: int, b: int) -> int:
        print("a library that prints to standard output")
        os.write(1, b"and one that does so from C\n")
        return a + b

    def fail(self) -> None:
        raise KeyError("no such vector")

    def die(self) -> None:
        os.abort()

    def leave(self) -> None:
        os._exit(3)

    def hang(self) -> None:
        time.sleep(600)

    def unspeakable(self) -> object:
        return object()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return tmp_path / "worker.log"


def test_a_call_runs_in_another_process_and_its_answer_comes_back(log: Path) -> None:
    with Worker(TARGET, log) as worker:
        assert worker.call("echo", value={"a": [1, 2.5, None, "ü"]}) == {"a": [1, 2.5, None, "ü"]}
        assert worker.call("pid") == worker.pid != os.getpid()


def test_what_libraries_print_goes_to_the_log_and_not_into_the_answers(log: Path) -> None:
    with Worker(TARGET, log) as worker:
        assert worker.call("print_and_add", a=2, b=3) == 5

    assert "and one that does so from C" in log.read_text()
    assert "a library that prints" in log.read_text()


def test_an_answer_longer_than_a_pipe_holds_comes_back_whole(log: Path) -> None:
    with Worker(TARGET, log) as worker:
        assert worker.call("echo", value="x" * 300_000) == "x" * 300_000


def test_an_exception_is_named_and_the_worker_lives_on(log: Path) -> None:
    with Worker(TARGET, log) as worker:
        with pytest.raises(WorkerError, match=r"KeyError: 'no such vector'") as caught:
            worker.call("fail")
        assert caught.value.kind == "KeyError"
        assert worker.call("echo", value=1) == 1
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("op", ["unspeakable", "no_such_operation", "_private"])
def test_what_cannot_be_answered_is_an_error_and_no_crash(log: Path, op: str) -> None:
    with Worker(TARGET, log) as worker:
        with pytest.raises(WorkerError):
            worker.call(op)
        assert worker.call("echo", value=1) == 1


@pytest.mark.parametrize(("op", "how"), [("die", "by SIGABRT"), ("leave", "with exit code 3")])
def test_a_crash_says_how_the_process_ended(log: Path, op: str, how: str) -> None:
    with Worker(TARGET, log) as worker:
        with pytest.raises(WorkerError, match=f"the process ended {how} during {op}"):
            worker.call(op)
        with pytest.raises(WorkerError, match=how):
            worker.call("echo", value=1)


def test_a_worker_that_hangs_is_killed_and_said_to_have_taken_too_long(log: Path) -> None:
    with Worker(TARGET, log) as worker:
        with pytest.raises(WorkerError, match="hang took longer than 0 s"):
            worker.call("hang", timeout=0.3)
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)


def test_closing_ends_the_process(log: Path) -> None:
    worker = Worker(TARGET, log)
    pid = worker.call("pid")

    worker.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_crash_does_not_quote_what_an_earlier_process_said(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("IndexError: of another run\n")

    with pytest.raises(WorkerError) as failure, Worker(TARGET, log) as worker:
        worker.call("leave")

    assert "IndexError" not in str(failure.value)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for it")
def test_a_worker_ends_with_its_parent_however_that_ends(log: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from benchmarks.common.worker import Worker\n"
        f"worker = Worker({TARGET!r}, Path({str(log)!r})); print(worker.call('pid'), flush=True)\n"
        "worker.call('hang')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 30
    while (Path("/proc") / str(pid)).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not (Path("/proc") / str(pid)).exists()
