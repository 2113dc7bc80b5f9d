"""Which version of a library is installed and works here, and why not where none does."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

from benchmarks.common.machine import version_of


class UnavailableError(RuntimeError):
    """The library cannot be measured here, and why: not installed, or not for this processor."""


def installed(distribution: str, module: str) -> str:
    """The version of a distribution that is installed and imports."""
    version = version_of(distribution)
    if version is None:
        raise UnavailableError(f"not installed (pip install {distribution})")
    try:
        importlib.import_module(module)
    except Exception as error:
        raise UnavailableError(f"{distribution} {version} does not import: {error}") from error
    return version


def engram_version() -> str:
    """Engram's version and a fingerprint of the installed code: another build is another engine."""
    version = installed("engram-store", "engram")
    package = Path(str(importlib.import_module("engram").__file__)).parent
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted([*package.rglob("*.so"), *package.rglob("*.py")]):
        digest.update(file.read_bytes())
    return f"{version}+{digest.hexdigest()}"
