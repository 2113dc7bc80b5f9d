"""A table that can be printed to a terminal and written into a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass
class Sheet:
    """Rows of text. The first ``left`` columns and those in ``wide`` hold words, the rest numbers."""

    title: str
    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    caption: str = ""
    left: int = 1
    wide: frozenset[str] = frozenset()

    def _is_text(self, column: int) -> bool:
        return column < self.left or self.headings[column] in self.wide

    def rich(self) -> Table:
        table = Table(title=self.title, caption=self.caption or None)
        for column, heading in enumerate(self.headings):
            wide = heading in self.wide
            table.add_column(
                heading,
                justify="left" if self._is_text(column) else "right",
                no_wrap=not wide,
                overflow="fold" if wide else "ellipsis",
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        rules = ["---" if self._is_text(column) else "---:" for column in range(len(self.headings))]
        lines = [list(self.headings), rules, *self.rows]
        body = "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        caption = f"\n\n{self.caption}" if self.caption else ""
        return f"**{self.title}**\n\n{body}{caption}\n"


def print_result(console: Console, summary: str, sheets: Sequence[Sheet], missing: Sequence[str]) -> None:
    """All that a comparison has to say: what it was made of, its tables, and what it lacks."""
    console.print(f"\n{summary}", highlight=False)
    for sheet in sheets:
        console.print(sheet.rich())
    for sentence in missing:
        console.print(f"missing {sentence}", highlight=False, style="yellow")


def missing_of(content: dict[str, Any]) -> list[str]:
    """The engines or stores of a result that could not be measured, and why."""
    return [
        f"{one[kind]}: {one['missing']}"
        for kind in ("engine", "store")
        for one in content.get(f"{kind}s", ())
        if one["missing"] is not None
    ]
