"""The result as a table."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """One line a setting."""
    data = content["dataset"]
    sheet = Sheet(
        f"store() into {data['prefill']:,} memories of {data['name']} ({data['dim']} dimensions)",
        [
            "fsync",
            "writers",
            "indexing",
            "stores /s",
            "p50 us",
            "p95 us",
            "p99 us",
            "slowest us",
            "indexed /s",
            "lag s",
        ],
        left=3,
        caption="indexed /s: over storing and waiting until all is indexed. lag: how long that wait was.",
    )
    for row in content["settings"]:
        sheet.rows.append(
            [
                row["fsync"],
                str(row["writers"]),
                "behind the caller" if row["indexing"] == "async" else "in the caller",
                f"{row['per_second']:,.0f}",
                *(f"{row[name]:,.1f}" for name in ("p50_us", "p95_us", "p99_us")),
                f"{row['most_us']:,.0f}",
                f"{row['indexed_per_second']:,.0f}",
                f"{row['index_lag_seconds']:.2f}",
            ]
        )
    return [sheet]
