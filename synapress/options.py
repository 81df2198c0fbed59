"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from golden.config import PRESETS
from golden.errors import ConfigError

Config = Annotated[str, typer.Option("--config", "-c", metavar="PRESET|FILE",
                                     help=f"Configuration: {', '.join(PRESETS)}, or a JSON file.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")]


def mesh_size(text: str | None) -> tuple[int, int] | None:
    """Columns and rows of an option as 12x12."""
    if text is None:
        return None
    numbers = text.lower().split("x")
    if len(numbers) != 2 or not all(number.isdecimal() and int(number) for number in numbers):
        raise ConfigError(f"--mesh {text}: needs columns x rows, as 12x12")
    return int(numbers[0]), int(numbers[1])
