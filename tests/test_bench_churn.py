"""The churn benchmark: every pattern replaces every row once; an index that forgets nothing is found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.churn.cli import main
from benchmarks.churn.patterns import PATTERNS, turnovers


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def run_cli(tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    fixed = ["--dataset", "synthetic", "--live", "300", "--turnovers", "2", "--query-count", "20"]
    assert main([*fixed, "--batch", "70", *arguments]) == 0
    content = json.loads((tmp_path / "results" / "churn.json").read_text())
    results: list[dict[str, Any]] = content["results"]
    return results


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_turnover_takes_out_all_that_is_in(pattern: str) -> None:
    base = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)

    inside = set(range(100))
    for turn in turnovers(pattern, base, 100, 3):
        assert len(turn.leave) == len(turn.enter) == 100
        assert set(turn.leave.tolist()) == inside
        inside = set(turn.enter.tolist())
    assert inside == set(range(300, 400))


def test_clustered_deletes_take_neighbours_together() -> None:
    random = np.random.default_rng(2)
    group = random.integers(0, 2, 200)
    base = (random.normal(0.0, 0.01, (200, 4)) + 10 * np.eye(4)[group]).astype(np.float32)

    [turn] = turnovers("clustered", base, 100, 1)
    changes = np.count_nonzero(np.diff(group[turn.leave]))

    assert changes < 10  # ten centres, each in one group; in random order it would be about 50


def test_an_exact_index_keeps_its_recall_and_one_that_forgets_nothing_does_not(own_folders: Path) -> None:
    results = run_cli(own_folders, "--engines", "numpy-exact,numpy-forgetful")

    assert len(results) == 2 * len(PATTERNS)
    for row in results:
        kept = row["engine"] == "numpy-exact"
        assert row["turns"][0]["recall"] == 1.0
        assert [turn["recall"] for turn in row["turns"][1:]] == [1.0 if kept else 0.0] * 2
        assert row["fresh"]["recall"] == 1.0


def test_engram_is_measured_turn_by_turn(own_folders: Path) -> None:
    [row] = run_cli(own_folders, "--engines", "engram", "--patterns", "random")

    assert len(row["turns"]) == 3
    for turn in row["turns"]:
        assert turn["recall"] > 0.9
        assert turn["rate"] > 0
        assert turn["memory_bytes"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "nosuch"], "there is no 'nosuch'"),
        (["--patterns", "spiral"], "there is no 'spiral'"),
        (["--live", "0"], "must be at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dataset", "synthetic", *arguments]) == 2
    assert message in capsys.readouterr().err
