from __future__ import annotations

import sys

from benchmarks.durable.cli import main

sys.exit(main())
