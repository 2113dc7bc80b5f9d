"""The result as a table."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """A line a filter, a column an engine."""
    data = content["dataset"]
    engines = [row for row in content["results"] if row["missing"] is None]
    sheet = Sheet(
        f"{data['name']}, {data['rows']:,} rows ({data['dim']} dimensions): queries a second at the least "
        f"breadth with recall@10 >= {content['enough']}",
        ["filter", "matching", *(row["engine"] for row in engines)],
        caption="One thread, processor time. In brackets: recall where it is not reached; <10: some query "
        "got fewer hits though as many match.",
    )
    for number, case in enumerate(engines[0]["cases"] if engines else []):
        sheet.rows.append(
            [
                case["kind"],
                f"{100 * case['share']:g} %",
                *(_cell(row["cases"][number]) for row in engines),
            ]
        )
    return [sheet]


def _cell(case: dict[str, Any]) -> str:
    text = f"{case['per_second']:,.0f}"
    if not case["enough"]:
        text += f" ({case['recall']:.2f})"
    if case["fewest"] < case["matching"]:
        text += f" <{case['matching']}"
    return text
