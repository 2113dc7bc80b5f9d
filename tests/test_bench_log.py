"""The figures of the log: each part measures what it says and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.log.cli import main, sheets


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def test_writers_recovery_and_reopening_are_measured(own_folders: Path) -> None:
    assert main(["--only", "one,recovery,open", "--size", "500"]) == 0

    content = json.loads((own_folders / "results" / "log.json").read_text())
    whats = [figure["what"] for figure in content["figures"]]
    assert whats[:2] == ["one writer, always", "recovery of 50 memories"]
    assert len(whats) == 4
    assert all(figure["ratio"] > 0 for figure in content["figures"])
    assert len(sheets(content)[0].rows) == 4
    assert not list((own_folders / "cache").iterdir())


def test_a_part_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "lunch"])
    assert "lunch" in capsys.readouterr().err
