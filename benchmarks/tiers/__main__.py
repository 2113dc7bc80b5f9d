from __future__ import annotations

import sys

from benchmarks.common.cli import interruptible
from benchmarks.tiers.cli import main

sys.exit(interruptible(main))
