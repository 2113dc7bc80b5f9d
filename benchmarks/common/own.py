"""Adapters by address, "package.module:Class": how a worker is told which, and how one's own come in."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.common.cli import plain_name

T = TypeVar("T")


def add_adapter_option(parser: argparse.ArgumentParser | argparse._ArgumentGroup, what: str) -> None:
    """--adapter, repeatable: what `own` is given."""
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="PACKAGE.MODULE:CLASS",
        help=f"{what} of your own, measured besides (repeatable)",
    )


def address(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def find(text: str, base: type[Any]) -> type[Any]:
    """The class at an address, complete and derived from ``base``; a ValueError says what it is instead."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise ValueError(f"{text!r} names no class: write package.module:Class")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever its code raises
        raise ValueError(f"{module} does not import: {type(error).__name__}: {error}") from error
    if not isinstance(kind, type):
        raise ValueError(f"{module} holds no class {name}")
    if not issubclass(kind, base):
        raise ValueError(f"{text} is not derived from {address(base)}")
    lacking = {told for told in inspect.get_annotations(base) if not hasattr(kind, told)}
    lacking |= getattr(kind, "__abstractmethods__", frozenset())
    if lacking:
        raise ValueError(f"{text} lacks {', '.join(sorted(lacking))}")
    return kind


def own(texts: Iterable[str], base: type[Any], known: Mapping[str, type[T]]) -> dict[str, type[T]]:
    """The classes of --adapter by their names, which must be free and fit into lists and names of files."""
    found: dict[str, type[T]] = {}
    for text in texts:
        try:
            kind = find(text, base)
            name: str = kind.name
            if name in known or name in found:
                raise ValueError(f"{text} is called {name!r}, as another is: give it another name")
            _usable(text, name)
        except ValueError as error:
            raise ValueError(f"--adapter: {error}") from error
        found[name] = kind
    return found


def chosen(
    text: str | None, default: Iterable[str], known: Iterable[str], added: Iterable[str], what: str
) -> list[str]:
    """The names in a comma-separated ``text`` (none: the default), and those added, listed there or not."""
    names = list(default) if text is None else [name.strip() for name in text.split(",")]
    there = [*known, *added]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"unknown {what} {', '.join(unknown)}; known are {', '.join(there)}")
    return names + [name for name in added if name not in names]


def _usable(text: str, name: str) -> None:
    try:
        plain_name(name)
        usable = not set(name) & set(",@=")  # what ends a name in --engines and --ratio
    except argparse.ArgumentTypeError:
        usable = False
    if not usable:
        raise ValueError(f"{text} is called {name!r}: a name is a plain file name without , @ and =")


def code_of(kind: type, known: Mapping[str, type]) -> dict[str, str]:
    """What a cache's key says of a class that is not ``known``: with other code it is another engine."""
    if kind in known.values():
        return {}
    file = inspect.getfile(kind)
    return {"code": hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest()}
