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

Array = NDArray[Any]


def plot(store: MemoryStore, file: Path, *, cues: int = CUES) -> None:
    """Draws the tiers of a store into a PNG; recalls with vectors that it holds, in each tier alone.

    Parameters
    ----------
    store : open; one that is read-only keeps the activations as they are
    file : where to
    cues : how many recalls a tier

    Raises
    ------
    InvalidInput
        There is nothing to draw, or matplotlib is missing.
    """
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

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
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
    for tier, values, colour in zip(TIERS, activations, _COLOURS, strict=True):
        if len(values):
            label = f"{tier} ({len(values):,})"
            axes.hist(np.maximum(values, bins[0]), bins=bins, color=colour, alpha=0.75, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("activation (1 for each access, halving every half-life)")
    axes.set_ylabel("memories")
    axes.set_title("activation by tier")
    axes.legend()


def _draw_latencies(axes: Any, times: list[Array]) -> None:
    for tier, values, colour in zip(TIERS, times, _COLOURS, strict=True):
        if len(values):
            p50, p99 = np.percentile(values, (50, 99))
            label = f"{tier}: P50 {p50:,.0f} us, P99 {p99:,.0f} us"
            share = np.arange(1, len(values) + 1) / len(values)
            axes.step(np.sort(values), share, color=colour, label=label, where="post")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(0, 1)
    axes.set_xlabel("microseconds a recall of 10, in that tier alone")
    axes.set_ylabel("share of the recalls")
    axes.set_title("latency by tier")
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(loc="lower right")
