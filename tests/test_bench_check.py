"""The check mode: what CI is told, and that a check which could not be made is not passed."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.ann.check import BadRatioError, Ratio, failures, parse_ratio


def engine(name: str, qps: dict[str, float | None]) -> dict[str, Any]:
    at_recall = {
        target: None if speed is None else {"qps": speed, "bounds": []} for target, speed in qps.items()
    }
    return {"engine": name, "missing": None, "at_recall": at_recall, "points": [{"recall_10": 0.8123}]}


GOOD = engine("engram", {"0.90": 3000.0, "0.95": 2000.0, "0.99": 1000.0})
FAISS = engine("faiss-hnsw", {"0.90": 1500.0, "0.95": 1000.0, "0.99": 900.0})


def test_a_good_run_has_no_failures() -> None:
    assert failures({"engines": [GOOD, FAISS]}, [Ratio("faiss-hnsw", 2.0)]) == []


def test_missing_recall_090_fails_and_says_how_far_it_got() -> None:
    poor = engine("engram", {"0.90": None, "0.95": None, "0.99": None})

    assert failures({"engines": [poor]}, []) == ["engram misses recall@10 = 0.90: its best is 0.8123"]


def test_a_ratio_that_is_not_reached_fails_with_both_figures() -> None:
    [sentence] = failures({"engines": [GOOD, FAISS]}, [Ratio("faiss-hnsw", 2.5)])

    assert "2,000 queries a second" in sentence
    assert "2.00 times faiss-hnsw's 1,000" in sentence


def test_the_ratio_is_taken_at_the_recall_it_names() -> None:
    assert failures({"engines": [GOOD, FAISS]}, [Ratio("faiss-hnsw", 1.5, "0.95")]) == []
    assert len(failures({"engines": [GOOD, FAISS]}, [Ratio("faiss-hnsw", 1.5, "0.99")])) == 1


@pytest.mark.parametrize(
    "others", [[], [{"engine": "faiss-hnsw", "missing": "not installed (pip install faiss-cpu)"}]]
)
def test_a_ratio_to_an_engine_that_was_not_measured_is_a_failure(others: list[dict[str, Any]]) -> None:
    [sentence] = failures({"engines": [GOOD, *others]}, [Ratio("faiss-hnsw", 1.0)])

    assert sentence.startswith("the ratio to faiss-hnsw cannot be checked")


def test_an_absent_engram_is_a_failure() -> None:
    absent = {"engine": "engram", "missing": "not installed"}

    assert failures({"engines": [FAISS]}, []) == ["engram was not measured: it is not in this run"]
    assert failures({"engines": [absent]}, []) == ["engram was not measured: not installed"]


def test_a_rival_that_never_reaches_the_recall_is_no_hindrance() -> None:
    slow = engine("annoy", {"0.90": 10.0, "0.95": None, "0.99": None})

    assert failures({"engines": [GOOD, slow]}, [Ratio("annoy", 5.0)]) == []


def test_ratios_are_read_from_the_command_line() -> None:
    assert parse_ratio("faiss-hnsw=1.5") == Ratio("faiss-hnsw", 1.5, "0.95")
    assert parse_ratio("hnswlib@0.99=0.8") == Ratio("hnswlib", 0.8, "0.99")


@pytest.mark.parametrize("text", ["faiss-hnsw", "=2", "faiss-hnsw=fast", "faiss-hnsw=-1", "faiss-hnsw@0.8=1"])
def test_what_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(BadRatioError, match="write ENGINE=NUMBER"):
        parse_ratio(text)
