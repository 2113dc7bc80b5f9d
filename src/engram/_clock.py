"""The time that a store goes by."""

from __future__ import annotations

from collections.abc import Callable

from ._checks import check_number


class Clock:
    """Seconds, as `Config.clock` tells them: checked, because it is the program's."""

    def __init__(self, tell: Callable[[], float]) -> None:
        self._tell = tell

    def now(self) -> float:
        return check_number("the clock", self._tell(), "a clock gives seconds") + 0.0
