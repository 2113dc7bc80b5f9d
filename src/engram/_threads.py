"""What the threads behind a store have in common."""

from __future__ import annotations

import threading


def join_through_interrupts(thread: threading.Thread | None) -> KeyboardInterrupt | None:
    """Waits for a thread to end, whatever Ctrl-C says: it uses what is closed next. Returns that Ctrl-C."""
    interrupted = None
    while thread is not None and thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt as error:
            interrupted = error
    return interrupted
