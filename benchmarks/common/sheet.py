"""A table that can be printed to a terminal and written into a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
