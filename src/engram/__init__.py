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
from .activation_policy import ActivationPolicy
from .aio import AsyncMemoryStore
from .config import Config
from .index import Index
from .latency import LatencyBudgets
from .memories import Memory
from .migration import MigrationReport
from .opening import open
from .policy import MigrationPolicy, Plan, Population, Tier, TierBudgets
from .recall import Hit, Recall, TierReport
from .store import MemoryStore
from .verification import Verification

__version__ = importlib.metadata.version("engram-store")

__all__ = [
    "ActivationPolicy",
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
    "LatencyBudgets",
    "Memory",
    "MemoryStore",
    "MigrationPolicy",
    "MigrationReport",
    "OutOfSpace",
    "Plan",
    "Population",
    "QueueFull",
    "ReadOnlyStore",
    "Recall",
    "StoreClosed",
    "StoreLocked",
    "Tier",
    "TierBudgets",
    "TierReport",
    "UnsupportedFormat",
    "Verification",
    "__version__",
    "build_info",
    "embedders",
    "open",
]

logging.getLogger("engram").addHandler(logging.NullHandler())  # silent until the program asks
