"""`engram demo`: everything Engram promises, shown on real text in under a minute."""

from __future__ import annotations

from .show import run

__all__ = ["run"]
