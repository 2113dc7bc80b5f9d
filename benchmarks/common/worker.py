"""The two ends of a worker: one process an engine, spoken to in lines of JSON over pipes.

A request is ``{"op": name, "args": {...}}``, an answer ``{"ok": result}`` or ``{"error": {...}}``. Arrays
travel as names of .npy files. The worker's own standard output is handed to standard error before anything is
imported, because the libraries under test print to it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1  # prctl(2)


class WorkerError(RuntimeError):
    """An engine failed: it raised, it crashed, or it took longer than it may."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class Worker:
    """A process of its own that runs the public methods of one object.

    Parameters
    ----------
    target : "package.module:Class"; the class is called with no argument in the worker
    log : file that receives what the libraries print
    wrapper : a command to run the worker under (strace and its options)
    """

    def __init__(self, target: str, log: Path, wrapper: list[str] | None = None) -> None:
        self._log_path = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as log_file:
            self._log_begins = log_file.tell()  # what stands before is of another process
            self._process = subprocess.Popen(
                [*(wrapper or []), sys.executable, "-m", "benchmarks.common.worker", target],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                cwd=ROOT,
                env=_environment(),
                bufsize=0,
                start_new_session=True,
            )
        self._unread = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, op: str, timeout: float = 600.0, **args: Any) -> Any:
        """Run ``op`` in the worker and return what it returns (anything JSON can say)."""
        assert self._process.stdin is not None
        line = json.dumps({"op": op, "args": args}).encode() + b"\n"
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:
            raise self._died(op) from None
        answer = json.loads(self._read_line(op, timeout))
        if "error" in answer:
            error = answer["error"]
            with self._log_path.open("a") as log:
                log.write(error["traceback"])
            raise WorkerError(f"{error['type']}: {error['message']}", error["type"])
        return answer["ok"]

    def _read_line(self, op: str, timeout: float) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.kill()
                    raise WorkerError(f"{op} took longer than {timeout:.0f} s and was stopped", "Timeout")
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._died(op)
                self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _died(self, op: str) -> WorkerError:
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        told = self._log_path.read_bytes()[self._log_begins :].decode(errors="replace")
        lines = told.strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return WorkerError(f"the process ended {how} during {op}{said}", "Crash")

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the worker: closed pipes tell it to; it is killed when it does not listen."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self.kill()  # an interrupt: do not wait for what nobody will read
        self.close()


def _environment() -> dict[str, str]:
    """The worker, which starts in another folder, finds every module that this process finds."""
    told = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    places = dict.fromkeys(str(Path(place).absolute()) for place in (*sys.path, *told))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def serve(target: Any, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests one by one until the pipe is closed."""
    for line in requests:
        request = json.loads(line)
        try:
            if request["op"].startswith("_"):
                raise AttributeError(f"{request['op']} is not an operation")
            answer = {"ok": getattr(target, request["op"])(**request["args"])}
            encoded = json.dumps(answer)
        except Exception as error:
            encoded = json.dumps(
                {
                    "error": {
                        "type": type(error).__name__,
                        "message": str(error),
                        "traceback": traceback.format_exc(),
                    }
                }
            )
        answers.write(encoded.encode() + b"\n")
        answers.flush()


def _end_with_parent() -> None:
    """However the parent ends: nobody would read the answer, and an operation may take hours."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    _end_with_parent()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        module, _, name = sys.argv[1].partition(":")
        target = getattr(importlib.import_module(module), name)()
        serve(target, sys.stdin.buffer, answers)
        close = getattr(target, "close", None)
        if close is not None:
            close()


if __name__ == "__main__":
    main()
