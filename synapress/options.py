"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from golden.config import PRESETS

Config = Annotated[str, typer.Option("--config", "-c", metavar="PRESET|FILE",
                                     help=f"Configuration: {', '.join(PRESETS)}, or a JSON file.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")]
