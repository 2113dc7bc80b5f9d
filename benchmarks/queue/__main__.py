from __future__ import annotations

import sys

from benchmarks.queue.cli import main

sys.exit(main())
