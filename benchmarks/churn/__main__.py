"""Recall, memory and rate of indexes whose vectors are replaced ten times over (``--help`` for more)."""

from __future__ import annotations

import sys

from benchmarks.churn.cli import main
from benchmarks.common.cli import interruptible

sys.exit(interruptible(main))
