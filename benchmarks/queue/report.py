"""The result as a table."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """One line a setting, and one a figure of what was measured once."""
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
            "sustained p99 us",
            "recall p99 us",
            "indexed /s",
            "lag s",
        ],
        left=3,
        caption="p50 to slowest: of as many stores as the queue may take whole; sustained: of those after. "
        "indexed /s: over storing and waiting until all is indexed. lag: how long that wait was.",
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
                f"{row['sustained_p99_us']:,.1f}" if row["sustained_p99_us"] else "",
                f"{row['recall_p99_us']:,.0f}" if row["recall_p99_us"] else "",
                f"{row['indexed_per_second']:,.0f}",
                f"{row['index_lag_seconds']:.2f}",
            ]
        )
    sheets = [sheet] if sheet.rows else []
    for title, figures in (
        ("Recall beside one writer at full speed, fsync always", content["recalls"]),
        ("Bulk loading by store_many, fsync always, against Index.add", content["ingest"]),
        ("An event loop beside 16 tasks that store, fsync always, and 16 that recall", content["loop"]),
    ):
        if figures:
            rows = [
                [name.replace("_", " "), f"{value:,.3f}".rstrip("0").rstrip(".")]
                for name, value in figures.items()
            ]
            sheets.append(Sheet(title, ["figure", "value"], rows=list(rows)))
    return sheets
