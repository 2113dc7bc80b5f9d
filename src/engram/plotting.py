"""Pictures of a store's tiers: how alive the memories of each are, and how long each takes to answer.

Needs matplotlib: the extra ``plot``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ._asking import TierName
from ._errors import InvalidInput
from .policy import TIERS, Tier

if TYPE_CHECKING:
    from .store import MemoryStore

CUES = 200
_COLOURS = ("#c8442e", "#d99a2b", "#3b6ea5")  # hot, warm, cold
_FAINTEST = 1e-4  # all below is drawn there
_WARM_UP = 5
_MOST_TICKS = 9

Array = NDArray[Any]


def plot(store: MemoryStore, file: Path, *, cues: int = CUES) -> None:
    """Draws the tiers of a store into a PNG; recalls with vectors that it holds, in each tier alone.

    Parameters
    ----------
    store : open; one that is read-only keeps the activations as they are
    file : where to; its name ends in .png
    cues : how many recalls a tier

    Raises
    ------
    InvalidInput
        There is nothing to draw, matplotlib is missing, or the file is to be another than a PNG.
    """
    check_file(file)
    population = store.population()
    if not len(population):
        raise InvalidInput(f"{store!r} holds no memories that are indexed: there is nothing to plot")
    activations = [population.activation[population.tier == tier] for tier in Tier]
    save_figure(
        activations,
        measure(store, cues),
        file,
        f"{store.path.name if store.path else 'in RAM'}: {len(population):,} memories",
    )


def check_file(file: Path) -> None:
    """Refuses a name that says the picture is other than it would be."""
    if file.suffix.lower() != ".png":
        ending = f"ends in {file.suffix}" if file.suffix else "has no ending"
        raise InvalidInput(f"{file} {ending}, and what is drawn is a PNG: give a name that ends in .png")


def measure(store: MemoryStore, cues: int) -> list[Array]:
    """Microseconds of recalls of 10 in each tier alone, one array a tier, empty for one without memories."""
    vectors = _some_vectors(store, cues)
    counted = store.stats()["tiers"]
    times: list[Array] = []
    for tier in get_args(TierName):
        if not counted[tier]["memories"]:
            times.append(np.empty(0))
            continue
        for vector in vectors[:_WARM_UP]:
            store.recall(vector, tiers=(tier,))
        times.append(np.array([_timed(store, vector, tier) for vector in vectors]))
    return times


def _some_vectors(store: MemoryStore, count: int) -> list[Array]:
    ids = list(store)
    drawn = np.random.default_rng(0).choice(len(ids), min(count, len(ids)), replace=False)
    found = (store.get(ids[at]) for at in drawn)
    return [memory.vector for memory in found if memory is not None]


def _timed(store: MemoryStore, vector: Array, tier: TierName) -> float:
    begin = time.perf_counter_ns()
    store.recall(vector, tiers=(tier,))
    return (time.perf_counter_ns() - begin) / 1000


def save_figure(activations: list[Array], times: list[Array], file: Path, title: str) -> None:
    """Activation by tier on the left, latency by tier on the right; one array a tier."""
    try:
        import matplotlib
    except ImportError as error:
        raise InvalidInput(
            'plotting needs matplotlib, which is not installed: pip install "engram-store[plot]"'
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    _draw_activations(left, activations)
    _draw_latencies(right, times)
    figure.suptitle(title, fontsize=10)
    try:
        figure.savefig(file, dpi=130, format="png")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error}") from error
    finally:
        pyplot.close(figure)


def _draw_activations(axes: Any, activations: list[Array]) -> None:
    most = max((float(values.max()) for values in activations if len(values)), default=1.0)
    least = min((float(values.min()) for values in activations if len(values)), default=1.0)
    bins = np.geomspace(max(_FAINTEST, 0.9 * least), max(2.0, 1.1 * most), 60)
    # As outlines: areas would hide one another, or mix into colours that are no tier's. Where two run
    # together, the thinner one lies on the broader.
    for number, values in enumerate(activations):
        if len(values):
            style = {"histtype": "step", "linewidth": 1.2 + 0.9 * number, "zorder": 3 - 0.1 * number}
            label = f"{TIERS[number]} ({len(values):,})"
            axes.hist(np.maximum(values, bins[0]), bins, color=_COLOURS[number], label=label, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("activation (1 for each access, halving every half-life)")
    axes.set_ylabel("memories")
    axes.set_ylim(bottom=0.8)  # below a single memory
    axes.set_title("activation by tier")
    _explain(axes)


def _draw_latencies(axes: Any, times: list[Array]) -> None:
    for tier, values, colour in zip(TIERS, times, _COLOURS, strict=True):
        if len(values):
            p50, p99 = np.percentile(values, (50, 99))
            label = f"{tier}: P50 {p50:,.0f} us, P99 {p99:,.0f} us"
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(np.sort(values), share, color=colour, label=label, where="post")
    axes.set_xscale("log")
    ticks = ticks_around(np.concatenate(times))
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(0, 1)
    axes.set_xlabel("microseconds a recall of 10, in that tier alone")
    axes.set_ylabel("share of the recalls")
    axes.set_title("latency by tier")
    axes.grid(True, which="both", alpha=0.2)
    _explain(axes)


def ticks_around(values: Array) -> Array:
    """Round numbers (1, 2, 5, 10, ...) around these; where they would be many, powers of ten."""
    round_ones = np.outer(10.0 ** np.arange(-1, 10), (1, 2, 5)).ravel()
    first = max(0, np.searchsorted(round_ones, values.min(), side="right") - 1)
    last = max(first + 1, np.searchsorted(round_ones, values.max()))
    ticks = round_ones[first : last + 1]
    if len(ticks) <= _MOST_TICKS:
        return ticks
    least, most = np.floor(np.log10(ticks[0])), np.ceil(np.log10(ticks[-1]))
    powers: Array = 10.0 ** np.arange(least, most + 1)
    return powers


def _explain(axes: Any) -> None:
    """The legend, below: where it covers nothing."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
