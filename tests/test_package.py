"""What pip sees: the metadata, what the package ships, and what it says where an extra is missing."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import engram

ROOT = Path(__file__).parents[1]
DISTRIBUTION = importlib.metadata.distribution("engram-store")


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, away from the sources."""
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_version_is_the_same_everywhere() -> None:
    declared = re.search(r'^version = "(.+?)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert DISTRIBUTION.version == declared[1]
    assert engram.__version__ == declared[1]
    assert engram.build_info()["version"] == declared[1]


def test_numpy_is_the_only_thing_required() -> None:
    required = [each for each in DISTRIBUTION.requires or [] if "extra ==" not in each]

    assert [re.split(r"[^\w-]", each)[0] for each in required] == ["numpy"]


def test_the_extras_are_known() -> None:
    extras = {"cli", "text", "plot", "prometheus", "opentelemetry", "all"}
    assert set(DISTRIBUTION.metadata.get_all("Provides-Extra", [])) == extras


def test_importing_engram_imports_no_extra() -> None:
    ended = run("import engram, sys; print(sorted({'typer', 'rich', 'wordllama'} & set(sys.modules)))")

    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == ("[]", "", 0)


def test_the_package_ships_its_types_and_none_of_its_native_sources() -> None:
    shipped = {str(file) for file in DISTRIBUTION.files or []}

    assert {"engram/py.typed", "engram/_native.pyi"} <= shipped
    assert not [
        file
        for file in shipped
        if Path(file).suffix in {".cpp", ".h", ".cmake", ".txt"} and "dist-info" not in file
    ]
    assert [file for file in shipped if file.endswith("licenses/LICENSE")]


def test_the_command_is_engram() -> None:
    scripts = [entry for entry in DISTRIBUTION.entry_points if entry.group == "console_scripts"]

    assert [(entry.name, entry.value) for entry in scripts] == [("engram", "engram.cli:main")]


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_the_command_says_how_to_get_its_extra(missing: str) -> None:
    ended = run(
        f"import sys; sys.modules[{missing!r}] = None; from engram.cli import main; main()", "stats", "x"
    )

    assert ended.returncode not in (0, None)
    assert "engram-store[cli]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_source_distribution_holds_what_building_and_testing_need_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = pytest.importorskip("scikit_build_core.build")
    monkeypatch.chdir(ROOT)

    archive = tmp_path / backend.build_sdist(str(tmp_path))

    with tarfile.open(archive) as opened:
        names = {name.split("/", 1)[1] for name in opened.getnames() if "/" in name}
    assert {"pyproject.toml", "CMakeLists.txt", "LICENSE", "PKG-INFO", "src/engram/py.typed"} <= names
    native = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/native").rglob("*.cpp")}
    assert native <= names
    tops = {name.split("/")[0] for name in names}
    allowed = {
        "pyproject.toml",
        "PKG-INFO",
        "CMakeLists.txt",
        "Makefile",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
    }
    assert tops == allowed | {"cmake", "src", "tests", "benchmarks", "docs"}
    assert not [name for name in names if name.startswith(("benchmarks/.cache", "benchmarks/results"))]
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
