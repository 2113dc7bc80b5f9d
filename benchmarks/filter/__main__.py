"""Search that only some labels may answer, from one in a thousand to every second (``--help`` for more)."""

from __future__ import annotations

import sys

from benchmarks.common.cli import interruptible
from benchmarks.filter.cli import main

sys.exit(interruptible(main))
