"""The measurement of store calls: every setting is measured, and a paced writer's waiting counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.queue.cli import main


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path


def test_every_mode_and_way_of_indexing_is_measured(own_folders: Path) -> None:
    arguments = [
        "--dataset",
        "synthetic",
        "--limit",
        "3000",
        "--prefill",
        "50",
        "--writers",
        "2",
        "--recalls",
        "1",
    ]

    short = ["--seconds", "0.05", "--rounds", "1", "--rate", "200", "--ingest", "500"]
    assert main([*arguments, *short]) == 0

    content = json.loads((own_folders / "results" / "queue.json").read_text())
    settings = {(row["fsync"], row["indexing"]): row for row in content["settings"]}
    assert settings.keys() == {(m, i) for m in ("always", "interval", "never") for i in ("async", "sync")}
    for row in settings.values():
        assert row["stores"] >= 2
        assert 0 < row["p50_us"] <= row["p95_us"] <= row["p99_us"] <= row["most_us"]
        assert row["burst_stores"] == row["stores"]
        assert row["recall_p50_us"] > 0
    beside, ingest = content["recalls"], content["ingest"]
    assert beside["checks"] == 20
    assert beside["least_recall_at_10"] >= 0.9
    assert beside["idle_p50_us"] > 0 and beside["busy_p50_us"] > 0
    assert ingest["vectors"] == 500
    assert 0 < ingest["queue_most_bytes"] <= ingest["queue_capacity_bytes"]
    assert ingest["indexed_per_second"] <= ingest["stored_per_second"]
    loop = content["loop"]
    assert loop["calls_per_second"] > 0
    assert 0 < loop["busy_late_p50_us"] <= loop["busy_late_most_us"]


def test_a_data_set_smaller_than_the_prefill_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "synthetic", "--limit", "100", "--prefill", "90"]) == 2
    assert "--prefill 90 needs twice that" in capsys.readouterr().err
