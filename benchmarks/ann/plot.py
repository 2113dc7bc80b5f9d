"""The recall / queries-per-second curve, in the manner of ann-benchmarks' plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.ann.metrics import Point, pareto

_MARKERS = "osD^vP*X<>hpd8"


def _minor(value: float) -> str:
    """Labels between the powers of ten: 2 and 5 alone, the rest would crowd."""
    return f"{value:,.0f}" if f"{value:.0e}"[0] in "25" else ""


def write_plot(content: dict[str, Any], file: Path) -> None:
    """Up and to the right is better; both axes as ann-benchmarks draws them (logarithm of the speed)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(10, 7))
    lowest = 1.0
    colours = pyplot.get_cmap("tab20")
    for at, one in enumerate(one for one in content["engines"] if not one.get("missing")):
        points = [Point(point["recall_10"], {"qps": point["qps"]}) for point in one["points"]]
        curve = [point for point in pareto(points, "qps", more_is_better=True) if point.recall >= 0.5]
        if not curve:
            continue
        lowest = min(lowest, max(0.8, curve[0].recall))
        own = one["engine"] == "engram"
        axes.plot(
            [point.recall for point in curve],
            [point.figures["qps"] for point in curve],
            marker=_MARKERS[at % len(_MARKERS)],
            color="black" if own else colours(at % 20),
            linewidth=2.4 if own else 1.2,
            markersize=6 if own else 4,
            zorder=3 if own else 2,
            label=one["engine"],
        )
    data = content["dataset"]
    axes.set_xlim(lowest - 0.005, 1.002)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(ticker.FuncFormatter(lambda value, _: _minor(value)))
    axes.set_xlabel("recall@10")
    axes.set_ylabel("queries per second (one core, one query at a time)")
    axes.set_title(
        f"{data['name']}: {data['rows']:,} x {data['dim']}, {data['metric']}. Up and to the right is better"
    )
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130, bbox_inches="tight")
    pyplot.close(figure)
