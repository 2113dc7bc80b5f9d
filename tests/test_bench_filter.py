"""The filter benchmark: filters are what they say, and hits that a filter forbids do not count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.filter.cases import KINDS, cases
from benchmarks.filter.cli import main


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def run_cli(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    fixed = ["--dataset", "synthetic", "--limit", "600", "--query-count", "10", "--rounds", "1"]
    assert main([*fixed, "--shares", "0.01,0.5", *arguments]) == 0
    content: dict[str, Any] = json.loads((tmp_path / "results" / "filter.json").read_text())
    return content


def test_filters_let_through_the_share_they_say_and_lie_where_they_say() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(1000, 6)).astype(np.float32)
    queries = random.normal(size=(100, 6)).astype(np.float32)

    by_kind = {
        kind: [case for case in cases(base, queries, (0.01, 0.2), 10) if case.kind == kind] for kind in KINDS
    }

    for kind in KINDS:
        assert [case.allowed.sum() for case in by_kind[kind]] == [10, 200]
        assert all(case.queries.shape == (10, 6) for case in by_kind[kind])
    for near, far in zip(by_kind["near"], by_kind["far"], strict=True):
        centre_near, centre_far = base[near.allowed].mean(axis=0), base[far.allowed].mean(axis=0)
        to_near = np.linalg.norm(near.queries - centre_near, axis=1).max()
        to_far = np.linalg.norm(far.queries - centre_far, axis=1).min()
        assert to_near < to_far


def test_hits_that_the_filter_forbids_do_not_count(own_folders: Path) -> None:
    exact, blind = run_cli(own_folders, "--engines", "numpy-exact,numpy-blind")["results"]

    assert len(exact["cases"]) == len(blind["cases"]) == 6
    for right, wrong in zip(exact["cases"], blind["cases"], strict=True):
        # One in a hundred of 600 rows: six match, and six are all there is to find.
        assert right["recall"] == 1.0
        assert right["fewest"] == right["matching"] == (6 if right["share"] == 0.01 else 10)
        if (wrong["kind"], wrong["share"]) != ("near", 0.5):  # there the nearest of all are those that match
            assert wrong["recall"] < 0.95
            assert not wrong["enough"]


def test_engram_finds_enough_under_every_filter(own_folders: Path) -> None:
    [engram] = run_cli(own_folders, "--engines", "engram")["results"]

    for case in engram["cases"]:
        assert case["enough"]
        assert case["fewest"] == case["matching"]
        assert case["per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engines", "nosuch"], "there is no engine 'nosuch'"),
        (["--shares", "0.1,2"], "--shares holds 2"),
        (["--rounds", "0"], "must be at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dataset", "synthetic", *arguments]) == 2
    assert message in capsys.readouterr().err
