"""``engram.build_info()``, and the choice of kernels by ``ENGRAM_ISA``."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import engram
import engram._native

AVAILABLE = engram.build_info()["isa_available"]
PT_DYNAMIC, PT_TLS = 2, 7  # of the program headers of ELF
DT_FLAGS, DF_STATIC_TLS = 30, 0x10  # of its dynamic section


def run(code: str, isa: str | None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, where nothing has been chosen yet."""
    environment = {name: value for name, value in os.environ.items() if name != "ENGRAM_ISA"}
    if isa is not None:
        environment["ENGRAM_ISA"] = isa
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_tells_what_was_built() -> None:
    info = engram.build_info()

    assert info["version"] == engram.__version__
    assert info["compiler"].startswith(("GCC ", "Clang "))
    assert info["cxx"] == "C++20"
    assert info["baseline"] in {"x86-64-v2", "aarch64"}
    assert info["isa"] in info["isa_available"]
    assert info["isa_available"][0] == "scalar"


def test_the_fastest_kernels_are_chosen_when_nothing_is_asked() -> None:
    for isa in (None, ""):
        ended = run("import engram; print(engram.build_info()['isa'])", isa)

        assert (ended.stdout.strip(), ended.stderr) == (AVAILABLE[-1], "")


@pytest.mark.parametrize("isa", AVAILABLE)
def test_each_instruction_set_can_be_asked_for(isa: str) -> None:
    ended = run("import engram; print(engram.build_info()['isa'])", isa)

    assert (ended.stdout.strip(), ended.stderr) == (isa, "")


@pytest.mark.parametrize("isa", AVAILABLE)
def test_a_store_recalls_the_same_with_each(isa: str) -> None:
    code = """
import engram, numpy as np
vectors = np.random.default_rng(3).normal(size=(500, 37)).astype(np.float32)
with engram.open(None, dim=37, metric="l2") as memory:
    memory.store_many([str(i) for i in range(500)], vectors)
    memory.wait_indexed()
    for cue in vectors[:20] + np.float32(0.01):
        print([hit.id for hit in memory.recall(cue, k=5)])
"""
    ended, scalar = run(code, isa), run(code, "scalar")

    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == 20
    assert ended.stdout == scalar.stdout


@pytest.mark.parametrize("isa", ["sse9", "AVX2", "neon" if "avx2" in AVAILABLE else "avx512"])
def test_an_unknown_instruction_set_is_refused_with_those_that_are_known(isa: str) -> None:
    code = """
import engram
for call in (engram.build_info, lambda: engram.open(None, dim=3)):
    try:
        call()
    except engram.EngramError as error:
        print(type(error).__name__, error)
"""
    ended = run(code, isa)

    lines = ended.stdout.splitlines()
    assert ended.stderr == "" and len(lines) == 2
    for line in lines:
        assert line.startswith(f'InvalidInput ENGRAM_ISA is "{isa}"')
        assert ", ".join(AVAILABLE) in line


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads an ELF file")
def test_what_the_module_keeps_for_each_thread_comes_with_the_thread() -> None:
    """What is got at a thread's first touch instead ends the process where there is no memory for it."""
    module = Path(engram._native.__file__).read_bytes()
    (at,) = struct.unpack_from("<Q", module, 32)
    size, count = struct.unpack_from("<HH", module, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", module, at + size * number) for number in range(count)]
    (kept,) = [header[6] for header in headers if header[0] == PT_TLS]
    assert kept <= 64

    (offset, length) = next((header[2], header[5]) for header in headers if header[0] == PT_DYNAMIC)
    dynamic = dict(struct.iter_unpack("<QQ", module[offset : offset + length]))
    if platform.libc_ver()[0] == "glibc":
        assert dynamic[DT_FLAGS] & DF_STATIC_TLS
