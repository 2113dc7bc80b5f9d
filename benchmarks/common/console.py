"""The terminal, or a file that is read as if it were a wide one."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDTH = 132


def wide_console() -> Console:
    """Tables keep their columns when the output goes to a file."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH)
