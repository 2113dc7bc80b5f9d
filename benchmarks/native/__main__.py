from __future__ import annotations

import sys

from benchmarks.native.cli import main

sys.exit(main())
