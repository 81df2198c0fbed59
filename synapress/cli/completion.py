"""Names that the shell completes where arguments take names. Where none fits, the shell completes files.

`synapress --install-completion` sets it up for bash, zsh, fish and PowerShell.
"""

from collections.abc import Callable, Iterable

from golden.config import NAMED


def _beginning(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A completion for typer; the names are asked for only when the shell completes."""
    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _networks() -> Iterable[str]:
    from synapress.zoo import ZOO

    return ZOO


def _blocks() -> Iterable[str]:
    from rtl.verilog import TOPS

    return TOPS


def _styles() -> Iterable[str]:
    from synapress.mapper.importers.neurons import STYLES

    return STYLES


def _steps() -> Iterable[str]:
    from synapress.mapper.pipeline import NAMES

    return NAMES


presets = _beginning(lambda: NAMED)
networks = _beginning(_networks)
blocks = _beginning(_blocks)
styles = _beginning(_styles)
steps = _beginning(_steps)
