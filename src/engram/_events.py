"""What goes on inside, for programs that listen to the logger "engram": silent until one does.

Every record has an attribute ``event``, a dotted name that does not change between versions, and an attribute
``fields``, a dict of what the message says as values.
"""

from __future__ import annotations

import logging

_log = logging.getLogger("engram")


def tell(
    level: int, event: str, message: str, *, error: BaseException | None = None, **fields: object
) -> None:
    """Logs `message`; with `error`, its traceback as well."""
    if _log.isEnabledFor(level):
        _log.log(level, "%s", message, exc_info=error, extra={"event": event, "fields": fields})
