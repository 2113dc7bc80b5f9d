"""Compiles the timed loops against the project's own static libraries, built as a wheel would build them."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from benchmarks.common.progress import say

ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent
_ROOMS = ("wal", "simd", "base")


class BuildError(RuntimeError):
    """The benchmarks could not be compiled: the message holds what the compiler said."""


def timed() -> ModuleType:
    """The compiled module, built when it is older than its sources."""
    folder = ROOT / "build" / "bench-native"
    libraries = _libraries(folder)
    module = folder / f"_timed{sysconfig.get_config_var('EXT_SUFFIX')}"
    sources = [_HERE / "_timed.pyx", _HERE / "shim.h", *libraries]
    if not module.exists() or module.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        say("compiling the timed loops")
        _compile(folder, module, libraries)
    sys.path.insert(0, str(folder))
    return importlib.import_module("_timed")


def _libraries(folder: Path) -> list[Path]:
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    _run(
        "cmake", "-S", ROOT, "-B", folder, *generator, "-DENGRAM_BUILD_PYTHON=OFF", "-DENGRAM_BUILD_TESTS=OFF"
    )
    targets = [f"engram_{room}" for room in _ROOMS]
    _run("cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1), "--target", *targets)
    return [folder / f"libengram_{room}.a" for room in _ROOMS]


def _compile(folder: Path, module: Path, libraries: list[Path]) -> None:
    source = folder / "_timed.cpp"
    _run(sys.executable, "-m", "cython", "--cplus", "-3", _HERE / "_timed.pyx", "-o", source)
    flags = ["-std=c++20", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-w"]
    headers = [f"-I{folder}" for folder in (sysconfig.get_path("include"), ROOT / "src" / "native", _HERE)]
    _run(os.environ.get("CXX", "c++"), *flags, *headers, source, *libraries, "-lpthread", "-o", module)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
