"""What a Config takes."""

from __future__ import annotations

from typing import Any

import pytest

import engram
from engram._sizes import parse_size


@pytest.mark.parametrize(
    ("written", "size"),
    [(1, 1), ("12", 12), ("4MiB", 4 << 20), ("256MB", 256 * 10**6), ("1.5 GiB", 3 << 29), (" 7 kb ", 7000)],
)
def test_sizes_are_read_as_people_write_them(written: Any, size: int) -> None:
    assert parse_size(written, "size") == size


@pytest.mark.parametrize("written", ["", "MB", "4 M", "-1", "4MiB/s", 0, -5, 1.5, None, True, "0.1"])
def test_other_sizes_are_refused(written: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="batch_bytes"):
        engram.Config(batch_bytes=written)


@pytest.mark.parametrize(
    "wrong",
    [
        {"M": 1},
        {"M": "16"},
        {"ef_construction": 0},
        {"ef_construction": 100_001},
        {"seed": -1},
        {"threads": -1},
        {"threads": 1.5},
        {"fsync_interval_ms": 0},
        {"queue_capacity": 0},
        {"queue_capacity": True},
        {"indexing": "later"},
        {"clock": 12.5},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(engram.InvalidInput, match=next(iter(wrong))):
        engram.Config(**wrong)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        engram.Config().M = 32  # type: ignore[misc]


@pytest.mark.parametrize("clock", [lambda: float("nan"), lambda: "now"], ids=["nan", "str"])
def test_a_clock_that_tells_no_time_is_refused(clock: Any) -> None:
    with engram.open(None, 2, config=engram.Config(clock=clock)) as store:
        with pytest.raises(engram.InvalidInput, match="clock"):
            store.store("a", [1, 2])
        assert len(store) == 0
