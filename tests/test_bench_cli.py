"""What the command lines of the comparisons have in common: how they end, and what they refuse to begin."""

from __future__ import annotations

import errno
import importlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from benchmarks.common.cli import interruptible, plain_name, save
from benchmarks.common.worker import ROOT
from benchmarks.log import figures

COMMANDS = ("ann", "durable", "queue", "log", "churn", "filter", "tiers", "native")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def interrupted(*_: object) -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_ends_with_one_line_and_130_when_it_is_interrupted(
    command: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module(f"benchmarks.{command or 'ann'}.cli"), "main", interrupted)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])

    with pytest.raises(SystemExit) as end:
        runpy.run_module("benchmarks" if command is None else f"benchmarks.{command}", run_name="__main__")

    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


def test_an_interrupted_command_names_what_it_had_written(
    own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def half() -> int:
        save({}, "first")
        raise KeyboardInterrupt

    save({}, "of-another-command")

    assert interruptible(half) == 130
    written = own_folders / "results" / "first.json"
    assert capsys.readouterr().err == f"interrupted; written before that: {written}\n"


def test_a_full_disk_ends_it_with_a_line(own_folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert interruptible(full) == 1
    assert "No space left on device: free some space" in capsys.readouterr().err
    with pytest.raises(PermissionError):
        interruptible(lambda: (_ for _ in ()).throw(PermissionError(errno.EACCES, "denied")))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a/", "a\\b", "a\0b", "a\nb", "é" * 121])
def test_a_result_s_name_that_is_no_plain_file_name_is_refused_before_anything_is_measured(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = importlib.import_module(f"benchmarks.{command}.cli").main

    with pytest.raises(SystemExit) as end:
        main([f"--name={name}"])

    assert end.value.code == 2
    assert f"argument --name: {name!r} is no plain file name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ann-short", "v0.1 of today", "-x", "é" * 120])
def test_a_plain_file_name_is_a_result_s_name(own_folders: Path, name: str) -> None:
    assert save({}, plain_name(name)).parent == own_folders / "results"


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("queue", ["--writers", "x"], "argument --writers: 'x': give a whole number of at least 1"),
        ("queue", ["--writers", "1,,4"], "argument --writers: '': give a whole number of at least 1"),
        ("queue", ["--writers", "1,0"], "argument --writers: '0': give a whole number of at least 1"),
        ("filter", ["--shares", "0.1,x"], "argument --shares: 'x': give a number of at least 0"),
        ("native", ["--dims", "8,x"], "argument --dims: 'x': give a whole number of at least 1"),
    ],
)
def test_a_list_of_numbers_names_the_one_that_is_none(
    command: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"benchmarks.{command}.cli").main(arguments)

    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option"),
    [("log", "--folder"), *((command, "--data") for command in COMMANDS if command not in ("log", "native"))],
)
def test_a_folder_that_is_none_is_refused_and_not_made(
    command: str, option: str, own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folders / "file.npy").touch()

    for name in ("gone", "file.npy"):
        with pytest.raises(SystemExit) as end:
            importlib.import_module(f"benchmarks.{command}.cli").main([option, str(own_folders / name)])
        assert end.value.code == 2
        assert f"argument {option}: {own_folders / name} is no folder" in capsys.readouterr().err
    assert not (own_folders / "gone").exists()


def test_options_for_a_comparison_that_is_left_out_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "queue,durable", "--engines", "engram"])
    for part in ("queue", "durable"):
        monkeypatch.setattr(f"benchmarks.{part}.cli.main", lambda _: pytest.fail("measured"))

    with pytest.raises(SystemExit) as end:
        runpy.run_module("benchmarks", run_name="__main__")

    assert end.value.code == 2
    assert "--engines engram: such options are for ann, which --only leaves out" in capsys.readouterr().err


class Interrupting:
    """Runs inside a worker: interrupts whoever waits for its answer, which never comes."""

    def measure(self, said: str) -> None:
        Path(said).write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGINT)
        threading.Event().wait()


def test_an_interrupt_ends_the_worker_that_is_measuring(own_folders: Path) -> None:
    said = own_folders / "pid"
    program = f"""
import sys
from pathlib import Path
from benchmarks.common.cli import interruptible
from benchmarks.common.worker import Worker

def main():
    with Worker("{__name__}:Interrupting", Path({str(own_folders / "log")!r})) as worker:
        worker.call("measure", said={str(said)!r})

sys.exit(interruptible(main))
"""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted; nothing was written\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)


def test_an_interrupt_ends_the_threads_that_store_before_it_goes_on() -> None:
    ended = []
    before = threading.active_count()

    def work(number: int) -> None:
        if number == 0:
            os.kill(os.getpid(), signal.SIGINT)
            ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        figures._by_threads(2, work)

    assert ended == [0]
    assert threading.active_count() == before


def test_an_error_of_a_thread_that_stores_is_the_measurement_s() -> None:
    def work(number: int) -> None:
        if number == 1:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        figures._by_threads(2, work)


def test_an_interrupt_ends_the_threads_that_recall_beside(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_by_threads", interrupted)
    before = threading.active_count()

    with pytest.raises(KeyboardInterrupt):
        figures.tail(own_folders)

    assert threading.active_count() == before
