from __future__ import annotations

import sys

from benchmarks.ann.cli import main

sys.exit(main())
