"""The result as tables: two a pattern, one of where it ends and one turnover by turnover."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """For each pattern, what came of each engine, and how."""
    result = []
    for pattern in content["patterns"]:
        rows = [row for row in content["results"] if row["pattern"] == pattern]
        result += [_outcomes(content, pattern, rows), _courses(content, pattern, rows)]
    return result


def _outcomes(content: dict[str, Any], pattern: str, rows: list[dict[str, Any]]) -> Sheet:
    data = content["dataset"]
    sheet = Sheet(
        f"{pattern}: {data['live']:,} of {data['name']} ({data['dim']} dimensions), replaced "
        f"{content['turnovers']} times; recall@10 at ef = {content['ef']}",
        ["engine", "at first", "after 1", "at last", "fresh", "memory", "updates /s", "of the build's"],
        caption="fresh: an index built of what is in at the end. memory: after the last turnover against "
        "that index's. updates: one out, one in, a second of processor time.",
    )
    for row in rows:
        if row["missing"] is not None:
            sheet.rows.append([row["engine"], f"missing: {row['missing']}", *[""] * 6])
            continue
        sheet.rows.append(_outcome(row))
    return sheet


def _outcome(row: dict[str, Any]) -> list[str]:
    first, *turns = row["turns"]
    rate = sum(turn["rate"] for turn in turns) / len(turns)
    return [
        row["engine"],
        *(f"{turn['recall']:.4f}" for turn in (first, turns[0], turns[-1], row["fresh"])),
        f"{turns[-1]['memory_bytes'] / max(row['fresh']['memory_bytes'], 1):.2f}",
        f"{rate:,.0f}",
        f"{rate / first['rate']:.2f}",
    ]


def _courses(content: dict[str, Any], pattern: str, rows: list[dict[str, Any]]) -> Sheet:
    sheet = Sheet(
        f"{pattern}, turnover by turnover",
        ["engine", "what", *(str(number) for number in range(content["turnovers"] + 1)), "fresh"],
        left=2,
    )
    for row in rows:
        if row["missing"] is not None:
            continue
        course = [*row["turns"], row["fresh"]]
        sheet.rows += [
            [row["engine"], "recall@10", *(f"{at['recall']:.4f}" for at in course)],
            [row["engine"], "memory, MB", *(f"{at['memory_bytes'] / 1e6:.1f}" for at in course)],
            [row["engine"], "queries /s", *(f"{at['queries']:,.0f}" for at in course)],
        ]
    return sheet
