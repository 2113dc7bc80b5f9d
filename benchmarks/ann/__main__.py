from __future__ import annotations

import sys

from benchmarks.ann.cli import main
from benchmarks.common.cli import interruptible

sys.exit(interruptible(main))
