from __future__ import annotations

import sys

from benchmarks.log.cli import main

sys.exit(main())
