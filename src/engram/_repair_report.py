"""What a repair tells."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

_PATHS = "surrogateescape"  # a path need not be UTF-8


@dataclass(frozen=True)
class Stretch:
    """A part of the log that could not be read; what it held is unknown.

    Attributes
    ----------
    file : the segment, or the log's folder when no file holds these LSNs
    offset, bytes : where in the file
    begin_lsn, end_lsn : the LSNs it held, the last not included; 0 and 0: unknown
    """

    file: str
    offset: int
    bytes: int
    begin_lsn: int
    end_lsn: int


@dataclass
class RepairReport:
    """What a repair found, kept and could not keep.

    Attributes
    ----------
    damaged : whether anything was damaged; if not, nothing was changed
    damage : what was damaged, in sentences
    kept : memories the store holds now
    gone : ids of memories that are known to have been there and could not be kept
    unnamed : how many more are gone, at most, whose id cannot be read either
    unreadable : parts of the log that could not be read
    texts_lost : ids kept without content, metadata and created_at, which is 0 now
    outdated : ids kept in a version that had been replaced or forgotten; the newer one could not be read
    end_unknown : how far the log went cannot be told, so that its last part may be missing unnoticed
    kept_aside : the folder the damaged files are in now
    finished : the exchange of files of a repair that had been cut short was finished
    """

    damaged: bool = False
    damage: list[str] = field(default_factory=list)
    kept: int = 0
    gone: list[str] = field(default_factory=list)
    unnamed: int = 0
    unreadable: list[Stretch] = field(default_factory=list)
    texts_lost: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    end_unknown: bool = False
    kept_aside: str | None = None
    finished: bool = False

    @property
    def lossless(self) -> bool:
        """Everything that was stored is there again."""
        ids = self.gone or self.texts_lost or self.outdated
        return not (ids or self.unnamed or self.unreadable or self.end_unknown)

    def save(self, file: Path) -> None:
        """Writes it beside the damaged files."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1)
        file.write_bytes(text.encode("utf-8", _PATHS))

    @staticmethod
    def load(file: Path) -> RepairReport:
        fields = json.loads(file.read_bytes().decode("utf-8", _PATHS))
        fields["unreadable"] = [Stretch(**each) for each in fields["unreadable"]]
        return RepairReport(**fields)
