"""Makes the store whose picture is in docs/tiers.md: ``python -m benchmarks.tiers.picture FILE.png``.

Two months of a simulated life, at the end of which each tier holds its share.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.tiers.life import Living, Scale, Trace
from benchmarks.tiers.worker import budgets_of
from engram import ActivationPolicy
from engram.plotting import plot


def main() -> None:
    scale = Scale(days=int(sys.argv[2]) if len(sys.argv) > 2 else 60)
    budgets = budgets_of(scale)
    policy = ActivationPolicy(hot_bytes=budgets.hot, warm_bytes=budgets.warm)
    with tempfile.TemporaryDirectory() as folder:
        trace = Trace(scale)
        living = Living(Path(folder) / "memories", policy, scale)
        for hour in trace.hours():
            if not living.held:
                living.keep(trace.first)
            living.live(hour)
        plot(living.store, Path(sys.argv[1]))
        living.close()


if __name__ == "__main__":
    main()
