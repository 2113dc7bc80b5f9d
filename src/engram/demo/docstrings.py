"""The docstrings of the standard library, read from its sources and imported from nowhere."""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_LEFT_OUT = {"__pycache__", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests", "turtledemo"}
_Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def standard_library() -> dict[str, str]:
    """The first paragraph of what each public module, class and function says of itself, by its full name."""
    library = Path(sysconfig.get_path("stdlib"))
    found: dict[str, str] = {}
    for file in sorted(library.rglob("*.py")):
        parts = file.relative_to(library).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names and not _LEFT_OUT.intersection(parts) and _public(*parts):
            name = ".".join(part for part in parts if part != "__init__")
            for full_name, text in _documented(file, name):
                found.setdefault(full_name, f"{_spoken(full_name)}: {text}")
    return found


def _documented(file: Path, module: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    yield from _walk(tree, module)


def _walk(node: ast.Module | _Documented, name: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node)
    if text:
        yield name, " ".join(text.split("\n\n")[0].split())
    for child in node.body:
        if isinstance(child, _Documented) and _public(child.name):
            yield from _walk(child, f"{name}.{child.name}")


def _public(*names: str) -> bool:
    return not any(name.startswith("_") and name != "__init__" for name in names)


def _spoken(name: str) -> str:
    """``shutil.rmtree`` as "shutil rmtree": the last two words of a name mean most."""
    return " ".join(re.findall(r"[A-Za-z0-9]+", name)[-2:])
