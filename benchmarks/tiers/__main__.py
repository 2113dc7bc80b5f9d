from __future__ import annotations

import sys

from benchmarks.tiers.cli import main

sys.exit(main())
