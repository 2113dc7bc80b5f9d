"""How long each tier may take in a recall."""

from __future__ import annotations

from dataclasses import dataclass

from ._checks import check_number
from ._errors import InvalidInput
from .policy import TIERS

_REMEDY = "give milliseconds above 0, or None for no limit"


def check_milliseconds(name: str, value: object) -> float | None:
    """`value` as milliseconds above 0, or None for no limit."""
    if value is None:
        return None
    milliseconds = check_number(name, value, _REMEDY)
    if milliseconds <= 0:
        raise InvalidInput(f"{name} is {value!r}; {_REMEDY}")
    return milliseconds


@dataclass(frozen=True)
class LatencyBudgets:
    """Milliseconds a tier may take in a recall, from when its turn comes; None is no limit.

    Those of the warm and cold tier go by the clock: waiting for the disk or a processor counts. Those of the
    hot tier are what the thread worked. A tier that runs out of time answers with the best it has by then,
    and `Recall.complete` is False. The default cuts no ordinary recall short. What is not indexed yet is
    never cut.

    Parameters
    ----------
    hot_ms, warm_ms, cold_ms : above 0
    """

    hot_ms: float | None = 10.0
    warm_ms: float | None = 10.0
    cold_ms: float | None = 10.0

    def __post_init__(self) -> None:
        for tier in TIERS:
            check_milliseconds(f"{tier}_ms", getattr(self, f"{tier}_ms"))

    def microseconds(self) -> tuple[float, float, float]:
        """By tier; infinity for no limit."""
        hot, warm, cold = (
            float("inf") if limit is None else 1000.0 * limit
            for limit in (self.hot_ms, self.warm_ms, self.cold_ms)
        )
        return hot, warm, cold
