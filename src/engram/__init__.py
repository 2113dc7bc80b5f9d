"""Engram: a memory store that lives inside a Python process.

>>> import engram
>>> with engram.open(None, dim=3) as memory:
...     lsn = memory.store("m1", [1.0, 0.0, 0.0], content="The mitochondria is the powerhouse of the cell.")
...     memory.recall([0.9, 0.1, 0.0], k=1)[0].id
'm1'
"""

from __future__ import annotations

import importlib.metadata
import logging

from . import embedders
from ._errors import (
    CorruptionError,
    DimensionMismatch,
    DurabilityError,
    EngramError,
    InvalidInput,
    InvalidVector,
    OutOfSpace,
    QueueFull,
    ReadOnlyStore,
    StoreClosed,
    StoreLocked,
    UnsupportedFormat,
)
from ._native import build_info
from .aio import AsyncMemoryStore
from .config import Config
from .index import Index
from .memories import Memory
from .opening import open
from .recall import Hit, Recall, TierReport
from .store import MemoryStore
from .verification import Verification

__version__ = importlib.metadata.version("engram-store")

__all__ = [
    "AsyncMemoryStore",
    "Config",
    "CorruptionError",
    "DimensionMismatch",
    "DurabilityError",
    "EngramError",
    "Hit",
    "Index",
    "InvalidInput",
    "InvalidVector",
    "Memory",
    "MemoryStore",
    "OutOfSpace",
    "QueueFull",
    "ReadOnlyStore",
    "Recall",
    "StoreClosed",
    "StoreLocked",
    "TierReport",
    "UnsupportedFormat",
    "Verification",
    "__version__",
    "build_info",
    "embedders",
    "open",
]

logging.getLogger("engram").addHandler(logging.NullHandler())  # silent until the program asks
