"""The command `engram`."""

from __future__ import annotations

import os
import sys

from engram._errors import CorruptionError, EngramError, InvalidInput, UnsupportedFormat

FOUND_DAMAGE = 1
WRONG_USE = 2
UNAVAILABLE = 3
INTERRUPTED = 130


def main() -> None:
    """Runs the command; exits with 0, 1 (damage), 2 (wrong use), 3 (locked, disk full), 130 (Ctrl-C)."""
    try:
        from .app import app
    except ImportError as error:
        _fail(
            f"the command needs the package {error.name}, which is not installed: "
            'pip install "engram-store[cli]"',
            WRONG_USE,
        )
    try:
        app()
    except BrokenPipeError:  # e.g. `engram recall ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except EngramError as error:
        _fail(str(error), exit_code(error))


def exit_code(error: EngramError) -> int:
    """What the command ends with after an error."""
    if isinstance(error, CorruptionError):
        return FOUND_DAMAGE
    return WRONG_USE if isinstance(error, (InvalidInput, UnsupportedFormat)) else UNAVAILABLE


def _fail(message: str, code: int) -> None:
    print(f"engram: {message}", file=sys.stderr)
    sys.exit(code)
