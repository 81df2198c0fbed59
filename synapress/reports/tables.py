"""Tables as reports hold them, for the terminal and for HTML alike."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

FILE_WIDTH = 170
"""Columns of tables that go to a file or a pipe."""


@dataclass(kw_only=True, eq=False)
class Sheet:
    """Rows of text under headings; the first column is text, the others are figures unless `left` names them."""

    title: str
    headings: tuple[str, ...]
    caption: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    """Numbers of rows above which a line is drawn."""
    left: tuple[int, ...] = (0,)

    def add_row(self, *cells: str) -> None:
        self.rows.append(cells)

    def add_section(self) -> None:
        """Draw a line above the next row."""
        self.sections.append(len(self.rows))

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(title=escape(self.title), caption=escape(self.caption) or None, caption_justify="left",
                      show_header=any(self.headings))
        for number, heading in enumerate(self.headings):
            table.add_column(escape(heading), justify="left" if number in self.left else "right")
        for number, row in enumerate(self.rows):
            table.add_row(*map(escape, row), end_section=number + 1 in self.sections)
        return table


def show(sheets: Iterable[Sheet], console: Console | None = None) -> None:
    """Print tables as wide as the terminal, or wide enough in a file."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH, file=console.file)
    for sheet in sheets:
        console.print(sheet.rich())


UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def unit(count: float) -> tuple[int, str]:
    """The largest unit of bytes, of 2**10 or its powers, that is not above a count."""
    return next(((size, name) for size, name in UNITS if count >= size), (1, "B"))


def size(count: float) -> str:
    """Bytes with their unit, three digits or more."""
    divisor, name = unit(count)
    return f"{count:,.0f} B" if divisor == 1 else f"{count / divisor:,.2f} {name}"
