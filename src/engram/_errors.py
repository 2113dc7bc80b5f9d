"""Every error Engram raises: what was wrong, with which value, and what to do."""

from __future__ import annotations


class EngramError(Exception):
    """The base of every error Engram raises. A refused call has changed nothing.

    Attributes
    ----------
    stored : of a `store_many` that it ended, how many rows are stored all the same; None of anything else
    """

    stored: int | None = None


class InvalidInput(EngramError, ValueError):
    """An argument that cannot be used: its message names the value and the remedy."""


class DimensionMismatch(InvalidInput):
    """A vector whose length is not the store's or the index's."""


class InvalidVector(InvalidInput):
    """A vector with NaN or infinity, of length zero under cosine, or beyond what float32 can measure."""


class StoreLocked(EngramError):
    """Another process has the store open; the message names it."""


class StoreClosed(EngramError):
    """The store was closed before the call."""


class ReadOnlyStore(EngramError):
    """A write to a store that was opened with ``read_only=True``."""


class QueueFull(EngramError):
    """The queue of memories waiting to be indexed stayed full for the whole of ``timeout``."""


class UnsupportedFormat(EngramError):
    """A file written by a newer version of Engram."""


class DurabilityError(EngramError):
    """A write or a sync failed: the store has turned read-only and nothing unsynced is called durable."""


class OutOfSpace(EngramError):
    """No room on the disk: nothing has changed and nothing is lost, free some space and go on."""


class CorruptionError(EngramError):
    """Stored bytes are provably damaged.

    Attributes
    ----------
    file : path of the damaged file
    offset : byte position of the damage in it
    """

    def __init__(self, message: str, file: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.file = file
        self.offset = offset


def note_stored(error: BaseException, rows: int) -> None:
    """Has an error that ends a `store_many` tell how many rows are stored: also one that is not Engram's."""
    error.__dict__["stored"] = rows


for _each in list(globals().values()):
    if isinstance(_each, type):
        _each.__module__ = "engram"  # where programs find them, and what a traceback should say
