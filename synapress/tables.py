"""Tables as reports print them."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

FILE_WIDTH = 170
"""Columns of tables that go to a file or a pipe."""


def new_table(title: str, *headings: str, caption: str | None = None) -> Table:
    """A table whose first column is text and whose others are figures."""
    made = Table(title=title, caption=caption, caption_justify="left")
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number else "left")
    return made


def show(tables: Iterable[Table]) -> None:
    """Print tables as wide as the terminal, or wide enough in a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    for item in tables:
        console.print(item)
