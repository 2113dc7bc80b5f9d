"""What lies where a file should: opening a pipe would wait for whoever is at its other end."""

from __future__ import annotations

import stat
from pathlib import Path

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}


def other_than_file(path: Path) -> str | None:
    """In words, what lies there; None when it is a regular file or nothing."""
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever opens it is told
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a device")
