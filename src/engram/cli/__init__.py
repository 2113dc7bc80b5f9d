"""The command `engram`."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

from engram._errors import CorruptionError, EngramError, InvalidInput, UnsupportedFormat

FOUND_DAMAGE = 1
WRONG_USE = 2
UNAVAILABLE = 3
OWN_FAULT = 70
INTERRUPTED = 130


def main() -> None:
    """Runs the command, and exits.

    With 0; 1 (damage); 2 (wrong use); 3 (locked, disk full); 70 (a fault of Engram's own); 130 (Ctrl-C).
    """
    try:
        _run()
    except SystemExit as ended:
        _flush()
        raise ended
    _flush()


def _run() -> None:
    try:
        from .app import ReaderGone, app
    except ImportError as error:
        _fail(
            f"the command needs the package {error.name}, which is not installed: "
            'pip install "engram-store[cli]"',
            WRONG_USE,
        )
    try:
        app()
    except ReaderGone:  # e.g. `engram recall ... | head`
        sys.exit(0)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except EngramError as error:
        _fail(str(error), exit_code(error))
    except OSError as error:
        _fail(str(error), UNAVAILABLE)
    except Exception:  # else Python would end with 1, which stands for damage
        traceback.print_exc()
        sys.exit(OWN_FAULT)


def exit_code(error: EngramError) -> int:
    """What the command ends with after an error."""
    if isinstance(error, CorruptionError):
        return FOUND_DAMAGE
    return WRONG_USE if isinstance(error, (InvalidInput, UnsupportedFormat)) else UNAVAILABLE


def _flush() -> None:
    """Here and not at the interpreter's exit, which calls it an error when nobody reads any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> NoReturn:
    print(f"engram: {message}", file=sys.stderr)
    sys.exit(code)
