"""Write docs/measured.md, the page of all measured figures: `python -m studies.measured`, or `make measured`.

    python -m studies.measured                       # run every command: about an hour of two processors
    python -m studies.measured --quick               # only the sections that take some seconds
    python -m studies.measured --only demo area      # only these sections
    python -m studies.measured --reuse               # with the JSON that earlier runs left, without running those again

A section that is not refreshed stays as it is, to the byte. The same JSON gives the same page.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from studies.markdown import table
from studies.sections import ASSERTED, SECTIONS, Command, Section

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "measured.md"
RESULTS = ROOT / "build" / "measured"
"""What each section's commands gave, and on which machine."""

HEAD = """# Measured figures

Written by `make measured` (`python -m studies.measured`), which runs the commands below. Do not edit it by hand.
`python -m studies.measured --only NAME` refreshes one section; the names are in parentheses.

Cycles, words, bytes and gates are exact for the pinned tools and the seeds named. **Seconds and gigabytes depend on the
machine**; their sections say so. Other work on a machine lengthens wall-clock times.
"""


def machine() -> dict[str, Any]:
    """What times depend on; nothing that names the machine."""
    return {"processors": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version(),
            "numpy": np.__version__, "load": round(os.getloadavg()[0], 1)}


def described(facts: dict[str, Any]) -> str:
    load = f"; load {facts['load']:.1f} as it began" if facts["load"] is not None else "; its load was not recorded"
    return (f"Times and memory of a machine with {facts['processors']} processors ({facts['architecture']}, Python "
            f"{facts['python']}, numpy {facts['numpy']}){load}.")


def run(command: Command) -> Any:
    """The JSON of a command.

    Raises:
        SystemExit: the command failed; the message has the end of its output.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", command.module, *command.arguments], cwd=ROOT, env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command.shown} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return json.loads((ROOT / command.file).read_text() if command.file else done.stdout)


def measure(name: str, section: Section, reuse: bool, console: Console) -> dict[str, Any]:
    """Results of a section's commands, kept in RESULTS.

    With `reuse` those that are there already, or the JSON that commands left where they write it.
    """
    kept = RESULTS / f"{name}.json"
    if reuse and kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    found = {"machine": machine(), "results": []}
    for command in section.commands:
        if reuse and command.file and (ROOT / command.file).is_file():
            found["results"].append(json.loads((ROOT / command.file).read_text()))
            found["machine"]["load"] = None  # nobody knows
            continue
        console.print(f"  {command.shown}", markup=False)
        with console.status(command.shown):
            found["results"].append(run(command))
    _replace(kept, json.dumps(found, indent=1) + "\n")
    return found


def written(name: str, found: dict[str, Any]) -> str:
    """A section of the page."""
    section = SECTIONS[name]
    commands = [f"`{shown}`" for shown in dict.fromkeys(command.shown for command in section.commands)]
    parts = [f"## {section.title} ({name})", f"Measured by {', '.join(commands)}.",
             section.text(*found["results"])]
    if section.times:
        parts.append(described(found["machine"]))
    return "\n\n".join(parts)


def page(sections: dict[str, str]) -> str:
    """The whole page; a section without figures says how to get them."""
    parts = [HEAD]
    for name, section in SECTIONS.items():
        text = sections.get(name) or (f"## {section.title} ({name})\n\nNot measured yet: "
                                      f"`python -m studies.measured --only {name}`.")
        parts.append(f"<!-- {name} -->\n{text}\n<!-- end of {name} -->\n")
    rows = [(what, f"`{command}`") for what, command in ASSERTED]
    parts.append(f"## Asserted by tests\n\n{table(('what', 'command'), rows)}\n")
    return "\n".join(parts)


def sections_of(text: str) -> dict[str, str]:
    """The sections of a page that has been written."""
    return {name: body for name, body in re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end of \1 -->", text, re.DOTALL)
            if "\n\nNot measured yet: " not in body}


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--only", nargs="+", metavar="SECTION", choices=SECTIONS,
                        help=f"of {', '.join(SECTIONS)}; default: all")
    choice.add_argument("--quick", action="store_true", help="only the sections that take some seconds")
    parser.add_argument("--reuse", action="store_true", help=f"use what is in {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args(arguments)
    chosen = given.only or [name for name, section in SECTIONS.items() if not (given.quick and section.slow)]
    console = Console(stderr=True)
    for number, name in enumerate(chosen):
        console.print(f"[{number + 1} of {len(chosen)}] {SECTIONS[name].title}", markup=False)
        found = measure(name, SECTIONS[name], given.reuse, console)
        kept = sections_of(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
        _replace(PAGE, page(kept | {name: written(name, found)}))  # now, so that a later failure loses nothing
    console.print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
