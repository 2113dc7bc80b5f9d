"""The result as tables: one a pattern."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """For each pattern a line an engine, and what came of it turnover by turnover."""
    data = content["dataset"]
    result = []
    for pattern in content["patterns"]:
        sheet = Sheet(
            f"{pattern}: {data['live']:,} of {data['name']} ({data['dim']} dimensions), replaced "
            f"{content['turnovers']} times; recall@10 at ef = {content['ef']}",
            ["engine", "at first", "after 1", "at last", "fresh", "memory", "updates /s", "of the build's"],
            caption="fresh: an index built of what is in at the end. memory: after the last turnover against "
            "before the first. updates: one out, one in, a second of processor time.",
        )
        for row in content["results"]:
            if row["pattern"] != pattern:
                continue
            if row["missing"] is not None:
                sheet.rows.append([row["engine"], f"missing: {row['missing']}", *[""] * 6])
                continue
            sheet.rows.append(_line(row))
        result.append(sheet)
    return result


def _line(row: dict[str, Any]) -> list[str]:
    first, *turns = row["turns"]
    rate = sum(turn["rate"] for turn in turns) / len(turns)
    return [
        row["engine"],
        *(f"{turn['recall']:.4f}" for turn in (first, turns[0], turns[-1])),
        f"{row['fresh_recall']:.4f}",
        f"{turns[-1]['memory_bytes'] / max(first['memory_bytes'], 1):.2f}",
        f"{rate:,.0f}",
        f"{rate / first['rate']:.2f}",
    ]
