"""The result as tables."""

from __future__ import annotations

from typing import Any

from benchmarks.common.sheet import Sheet
from benchmarks.tiers.worker import allowed_bytes


def sheets(content: dict[str, Any]) -> list[Sheet]:
    """One table a part that was measured."""
    found = []
    if "layout" in content:
        found += [_layout(content), _room(content["layout"])]
    if "others" in content:
        found.append(_others(content["others"]))
    if "limited" in content:
        found.append(_limited(content["limited"]))
    if "life" in content:
        found += [_hit_rates(content["life"]), _flat(content["life"])]
    return found


def _layout(content: dict[str, Any]) -> Sheet:
    layout, data = content["layout"], content["dataset"]
    built = layout["built"]
    sheet = Sheet(
        f"{data['name']}: {built['hot']:,} hot, {built['warm']:,} warm, {built['cold']:,} cold; 10 recalled, "
        "one cue at a time",
        ["where", "recall@10", "P50 us", "P95 us", "P99 us", "slowest us", "cut short"],
    )
    for name in ("resident", "cache dropped"):
        figures = layout[name]
        sheet.rows.append(
            [
                f"all tiers, {name}",
                f"{figures['recall_10']:.4f}",
                *(f"{value:,.0f}" for value in figures["whole_us"]),
                f"{figures['incomplete']:,}",
            ]
        )
        for tier, values in figures["alone_us"].items():
            sheet.rows.append([f"{tier} alone", "", *(f"{value:,.0f}" for value in values), ""])
    return sheet


def _room(layout: dict[str, Any]) -> Sheet:
    figures, raw = layout["resident"], layout["raw_bytes"]
    allowed = allowed_bytes(figures["hot_bytes"], figures["memories"], figures["page_cache_bytes"])
    disk = figures["disk_bytes"] - figures["catalog_bytes"]
    sheet = Sheet("memory and disk of that store", ["what", "MB", "the goal, MB"])
    sheet.rows += [
        ["anonymous memory", f"{figures['anonymous_bytes'] / 1e6:,.0f}", f"{allowed / 1e6:,.0f}"],
        ["disk without the catalog", f"{disk / 1e6:,.0f}", f"{1.6 * raw / 1e6:,.0f}"],
        ["raw vectors", f"{raw / 1e6:,.0f}", ""],
    ]
    return sheet


def _others(others: dict[str, Any]) -> Sheet:
    sheet = Sheet(
        "others on the same vectors",
        ["engine", "recall@10", "P50 us", "P99 us", "memory MB", "disk MB", "missing"],
        wide=frozenset({"missing"}),
    )
    for name, one in others.items():
        if "missing" in one:
            sheet.rows.append([name, "", "", "", "", "", one["missing"]])
            continue
        p50, p99 = (
            (one["whole_us"][0], one["whole_us"][2]) if "whole_us" in one else (one["p50_us"], one["p99_us"])
        )
        memory = one.get("anonymous_bytes", one.get("memory_bytes", 0))
        disk = f"{one['disk_bytes'] / 1e6:,.0f}" if "disk_bytes" in one else "-"
        sheet.rows.append(
            [name, f"{one['recall_10']:.4f}", f"{p50:,.0f}", f"{p99:,.0f}", f"{memory / 1e6:,.0f}", disk, ""]
        )
    return sheet


def _limited(found: dict[str, Any]) -> Sheet:
    sheet = Sheet(
        f"{found['raw_bytes'] / 1e6:,.0f} MB of vectors with {found['hot_budget'] / 1e6:,.0f} MB for the hot "
        f"tier, under a limit of {found['limit_bytes'] / 1e6:,.0f} MB (RLIMIT_DATA)",
        ["load s", "open s", "finds itself", "data MB", "hot", "warm", "cold", "trouble"],
        left=0,
        wide=frozenset({"trouble"}),
    )
    sheet.rows.append(
        [
            f"{found['load_seconds']:,.1f}",
            f"{found['open_seconds']:.2f}",
            f"{100 * found['found_itself']:.1f} %",
            f"{found['data_bytes'] / 1e6:,.0f}",
            *(f"{found['tiers'][tier]:,}" for tier in ("hot", "warm", "cold")),
            found["trouble"] or "none",
        ]
    )
    return sheet


def _hit_rates(life: dict[str, Any]) -> Sheet:
    scale = life["scale"]
    weeks = len(life["policies"][0]["weeks"])
    sheet = Sheet(
        f"{scale['days']} days, {scale['memories']:,} memories, a {100 * scale['hot_share']:.0f} % hot tier: "
        "share of all hits that came from it",
        [
            "policy",
            "hot %",
            *(f"week {number + 1}" for number in range(weeks)),
            "warm %",
            "cold %",
            "us a recall",
        ],
    )
    for one in life["policies"]:
        sheet.rows.append(
            [
                one["policy"],
                f"{100 * one['hits']['hot']:.1f}",
                *(f"{100 * week['hot']:.1f}" for week in one["weeks"]),
                f"{100 * one['hits']['warm']:.1f}",
                f"{100 * one['hits']['cold']:.1f}",
                f"{one['recall_us']:,.0f}",
            ]
        )
    return sheet


def _flat(life: dict[str, Any]) -> Sheet:
    sheet = Sheet(
        "the store over that time, each reopened for it",
        ["policy", "when", "memories", "memory MB", "disk MB", "log MB", "open s", "recall@10"],
        left=2,
        caption="disk: without the log, which grows up to checkpoint_bytes (64 MiB) before it begins anew.",
    )
    for one in life["policies"]:
        for when, sample in zip(("start", "middle", "end"), one["samples"], strict=False):
            sheet.rows.append(
                [
                    one["policy"],
                    when,
                    f"{sample['memories']:,}",
                    f"{sample['memory_bytes'] / 1e6:,.0f}",
                    f"{(sample['disk_bytes'] - sample['log_bytes']) / 1e6:,.1f}",
                    f"{sample['log_bytes'] / 1e6:,.1f}",
                    f"{sample['open_seconds']:.3f}",
                    f"{sample['recall_10']:.4f}",
                ]
            )
    return sheet
