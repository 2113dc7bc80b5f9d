from __future__ import annotations

import sys

from benchmarks.common.cli import interruptible
from benchmarks.queue.cli import main

sys.exit(interruptible(main))
