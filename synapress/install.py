"""What to run to install a missing extra, for the messages of errors.

The project is on no package index, so that `pip install 'synapress[area]'` finds nothing. In a clone the command
installs the clone itself with the extra. An installed wheel does not know where it came from, or that file is gone:
there the command names the packages of the extra, as the metadata of the installation lists them.
"""

import re
import shlex
import sys
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The clone, or the folder of installed packages."""
EVERYTHING = "all"
"""The extra that holds all others."""
_DISTRIBUTION = "synapress"
_PARTS = {"cocotb_tools": "cocotb"}
"""Modules whose distribution has another name."""


def install_hint(extra: str) -> str:
    """What to run so that the packages of an extra can be imported by this Python."""
    if is_clone():
        if sys.prefix == sys.base_prefix:  # the system's own Python, into which pip often refuses to install
            return f"run {shlex.join(['make', '-C', str(ROOT), 'setup'])}, then use {ROOT / '.venv/bin/synapress'}"
        return f"run {_pip(['--editable', f'{ROOT}[{extra}]'])}"
    return f"run {_pip([requirement for _, requirement in _requirements(extra)])}"


def install_hint_for(module: str) -> str:
    """The same for a module that could not be imported: the extra that has it, or all of them."""
    top = module.split(".")[0]
    wanted = _normalized(_PARTS.get(top, top))
    extras = [extra for extra, requirement in _requirements(EVERYTHING) if _normalized(_name(requirement)) == wanted]
    return install_hint(extras[0] if extras else EVERYTHING)


def is_clone() -> bool:
    """Whether the code runs from a clone, installed as editable or found by PYTHONPATH."""
    project = ROOT / "pyproject.toml"
    return project.is_file() and f'name = "{_DISTRIBUTION}"' in project.read_text(encoding="utf-8")


def _pip(arguments: list[str]) -> str:
    python = shlex.quote(sys.executable)
    first = "" if util.find_spec("pip") else f"{python} -m ensurepip && "  # environments that uv makes have no pip
    return f"{first}{python} -m pip install {shlex.join(arguments)}"


def _requirements(extra: str) -> list[tuple[str, str]]:
    """Extra and requirement of each package that an extra brings; nothing where there is no metadata."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # a clone by PYTHONPATH
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = re.search(r"""extra == ['"]([^'"]+)['"]""", marker)
        if match and extra in (match.group(1), EVERYTHING) and _name(line) != _DISTRIBUTION:
            found.append((match.group(1), requirement.strip()))
    return found


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return match.group() if match else ""


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
