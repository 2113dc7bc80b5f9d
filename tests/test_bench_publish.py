"""Results on a page: tables as Markdown, each put in its place and nowhere else."""

from __future__ import annotations

import pytest
from benchmarks.common.sheet import Sheet
from benchmarks.publish import PAGE, fill

SHEET = Sheet("speed", ["engine", "a second"], [["one|two", "1,000"]], caption="Measured once.")


def test_numbers_are_aligned_right_and_bars_do_not_break_the_table() -> None:
    assert SHEET.markdown() == (
        "**speed**\n\n| engine | a second |\n| --- | ---: |\n| one\\|two | 1,000 |\n\nMeasured once.\n"
    )


def test_only_the_place_of_the_part_is_replaced() -> None:
    page = "before\n<!-- ann -->\nold\n<!-- end ann -->\nafter\n<!-- queue -->\n<!-- end queue -->\n"

    assert fill(page, "ann", "new\n") == page.replace("old\n", "new\n")
    assert fill(fill(page, "ann", "x\n"), "ann", "new\n") == page.replace("old\n", "new\n")


def test_a_page_without_the_place_says_so() -> None:
    with pytest.raises(ValueError, match="the page has no place for ann"):
        fill("nothing", "ann", "new\n")


@pytest.mark.parametrize(
    "name",
    [
        "ann-short",
        "ann-short-again",
        "ann-full",
        "churn",
        "durable-short",
        "filter",
        "queue-short",
        "log",
        "native",
        "tiers-life",
        "tiers-others",
    ],
)
def test_the_page_has_a_place_for_every_part(name: str) -> None:
    assert f"<!-- {name} -->\n" in PAGE.read_text()
    assert f"<!-- end {name} -->" in PAGE.read_text()
