"""From the opening of a store to its end: by close, by being dropped, or in the child of a fork."""

from __future__ import annotations

import logging
import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn

from . import _forks
from ._errors import EngramError, StoreClosed
from ._events import tell
from ._parts import Parts
from ._waiting import Waits

if TYPE_CHECKING:
    from typing_extensions import Self


class Lifetime:
    """What `MemoryStore` is made of, where it lies, and whether it can still be used."""

    def __init__(self, parts: Parts, path: Path | None) -> None:
        self._parts = parts
        self._path = path
        self._dim = parts.native.dim
        self._metric = parts.native.metric
        self._until = Waits(parts)
        self._state: Literal["open", "closed", "forked"] = "open"
        self._closing = threading.RLock()  # the program's clock is asked meanwhile, and may close as well
        self._shut = weakref.finalize(self, Parts.shut, parts)  # when dropped, and at the interpreter's exit
        _forks.watch(self)

    def close(self, *, drain: bool = True) -> None:
        """Syncs and closes; safe to call again, from any thread.

        Parameters
        ----------
        drain : wait until all stored so far is indexed, and take a checkpoint when much was stored since the
            last (False: leave that to the next `open`)

        Raises
        ------
        EngramError
            It is called from within the store's own work (by its policy, say), which it would wait for.
        """
        if self._state == "forked":
            return  # the parent's to close
        if self._shut.alive:
            self._parts.refuse_inside()
        with self._closing:
            if not self._shut.alive:
                return
            first = self._state == "open"
            self._state = "closed"
            try:
                if first and drain and not self._parts.read_only:
                    self._until.drained()
                    self._parts.indexer.finish()
                    self._parts.migrator.keep_activity()
            finally:
                self._parts.shut()
                self._shut.detach()  # not before: what Ctrl-C may have cut short the next close() does
                _forks.unwatch(self)
            tell(logging.INFO, "store.closed", f"{self} was closed")

    def __enter__(self) -> Self:
        self.check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what it is

    @property
    def path(self) -> Path | None:
        return self._path

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def metric(self) -> str:
        return self._metric

    @property
    def closed(self) -> bool:
        return self._state != "open"

    @property
    def read_only(self) -> bool:
        return self._parts.read_only

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MemoryStore cannot be copied or pickled; hand on its path, and open that")

    def __repr__(self) -> str:
        where = "in RAM" if self._path is None else repr(str(self._path))
        state = "read-only" if self._state == "open" and self._parts.read_only else self._state
        return f"<MemoryStore {where} dim={self._dim} metric={self._metric} {state}>"

    # -- inside

    def check_open(self) -> None:
        """Raises StoreClosed, or EngramError in the child of a fork."""
        if self._state == "open":
            return
        if self._state == "forked":
            raise EngramError(
                f"{self} was opened before a fork and belongs to the parent process: open it in the child "
                "once the parent has closed it, or start the child with spawn"
            )
        if self._path is None:
            raise StoreClosed("the store in RAM is closed, and its memories are gone; open another")
        raise StoreClosed(f"the store {self._path} is closed; open it again to go on")

    def abandon(self) -> None:
        """For the child of a fork: from now on every call but close raises."""
        self._state = "forked"
        self._shut.detach()
        self._parts.abandon()
