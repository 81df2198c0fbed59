"""Reports as one self-contained HTML page: facts, tables and figures, no script, nothing loaded from elsewhere."""

import importlib.resources
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from golden.errors import ToolError
from synapress.install import install_hint
from synapress.reports.tables import Sheet


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A heading with text, figures (SVG) and tables, in this order."""

    title: str
    text: str = ""
    figures: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()


def svg(draw: Callable[[Path], None]) -> str:
    """What a function of `synapress.reports.plots` draws, to be put into a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        draw(path)
        text = path.read_text(encoding="utf-8")
    # From the element on, and without the metadata, which names the maker by a link.
    return re.sub(r"^.*?(?=<svg)|\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def render(title: str, subtitle: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """The page.

    Raises:
        ToolError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ToolError(f"HTML reports need jinja2: {install_hint('plot')}") from error
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    source = importlib.resources.files("synapress.reports").joinpath("page.html").read_text("utf-8")
    template = environment.from_string(source)
    return template.render(title=title, subtitle=subtitle, facts=facts, sections=sections)
