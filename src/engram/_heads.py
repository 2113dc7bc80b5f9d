"""Tells a file of a newer format from one whose version a flipped bit has changed."""

from __future__ import annotations

from pathlib import Path

from . import _native

# Where each kind of file keeps the checksum of the bytes before it, in every version (docs/format-*.md).
_CHECKSUM_AT = {"manifest": 48, ".rows": 40, ".graph": 124}


def is_damaged(file: Path) -> bool:
    """Whether the head of a manifest, rows or graph file does not match its checksum."""
    at = _CHECKSUM_AT[file.suffix or file.name]
    with file.open("rb") as opened:
        head = opened.read(at + 4)
    return len(head) < at + 4 or _native.crc32c(head[:at]) != int.from_bytes(head[at:], "little")


def any_damaged(folder: Path) -> str | None:
    """A sentence about the first file of a store whose head is damaged."""
    for file in sorted([folder / "manifest", *folder.glob("hot-*.rows"), *folder.glob("hot-*.graph")]):
        if file.exists() and is_damaged(file):
            return f"{file} is damaged: its first bytes do not match their checksum"
    return None
