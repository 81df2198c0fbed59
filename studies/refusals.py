"""All refusals of the tests: `python -m studies.refusals` compares them with those on record.

A refusal is a `ModelError` or a `RuleError`: its rule and text, whether it reaches the user or makes the mapper try
another way. Names and numbers are left out, so that the record (`studies/refusals.json`) lists the kinds of refusals.
Whoever changes the compiler sees here what users will read instead; `--write` accepts the change.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synapress.mapper import errors

RECORD = Path(__file__).with_suffix(".json")
FOLDER = "SYNAPRESS_REFUSALS"
"""Environment variable: the folder into which the processes of a test run write their refusals, a file each."""
TESTS = ("tests/mapper", "tests/host", "tests/api", "tests/engines", "tests/cli", "tests/spike_times")

Refusal = tuple[str, str]
"""Rule and text."""


_PLAIN = (
    (r"'[^']*'", "'…'"), (r"(?<![\w/])/[^\s':]+", "…"), (r"-?\d[\d,.]*(e[+-]?\d+)?", "#"),
    (r"# ?[x×] ?#( ?[x×] ?#)*", "#×#"), (r"\(#(, #)*,?\)", "(#)"), (r"\[#(, #)*,?\]", "[#]"),
)
"""What differs from case to case, and what stands for it: names, paths, numbers, sizes, shapes."""


def plain(text: str) -> str:
    """A text without names and numbers."""
    for pattern, instead in _PLAIN:
        text = re.sub(pattern, instead, text)
    return text


def refusals(error: errors.ModelError | errors.RuleError) -> Iterator[Refusal]:
    """Rules and texts of an error, without names and numbers."""
    for violation in error.violations if isinstance(error, errors.RuleError) else (error.violation,):
        where = f"needs {violation.needed}; available: {violation.available}. {violation.help}"
        yield plain(violation.rule), plain(where)


# -- within pytest: the processes record -----------------------------------------------------------


def watch(seen: Callable[[Any], None]) -> None:
    """Call a function with every refusal that is made from now on."""
    def watched(kind: Any) -> None:
        made = kind.__init__

        def init(error: Any, *arguments: Any, **named: Any) -> None:
            made(error, *arguments, **named)
            seen(error)

        kind.__init__ = init

    for kind in (errors.ModelError, errors.RuleError):
        watched(kind)


class _Recorder:
    """Notes every refusal that is made while tests run."""

    def __init__(self) -> None:
        self.found: set[Refusal] = set()
        watch(lambda error: self.found.update(refusals(error)))

    def pytest_sessionfinish(self) -> None:
        (Path(os.environ[FOLDER]) / f"{os.getpid()}.json").write_text(json.dumps(sorted(self.found)))


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest, as this module is one of its plugins (`-p studies.refusals`)."""
    if os.environ.get(FOLDER):
        config.pluginmanager.register(_Recorder())


# -- the command -----------------------------------------------------------------------------------


def record(arguments: list[str]) -> set[Refusal]:
    """The refusals of the tests, which run in as many processes as there are processors."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "studies.refusals", *arguments],
                       env=os.environ | {FOLDER: folder}, check=False)
        return collected(Path(folder))


def collected(folder: Path) -> set[Refusal]:
    """What the processes of a run wrote."""
    return {(rule, text) for path in folder.glob("*.json") for rule, text in json.loads(path.read_text())}


def write(found: set[Refusal], path: Path = RECORD) -> None:
    path.write_text(json.dumps(sorted(found), indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {RECORD.name} again")
    parser.add_argument("--from", dest="folder", type=Path, help="a folder of files that an earlier run has written")
    arguments = parser.parse_args()
    found = collected(arguments.folder) if arguments.folder else record(["-m", "not long", "-n", "auto", *TESTS])
    before = {(rule, text) for rule, text in json.loads(RECORD.read_text(encoding="utf-8"))}
    for sign, some in (("-", before - found), ("+", found - before)):
        for rule, text in sorted(some):
            print(f"{sign} {rule}: {text}")
    print(f"{len(found)} kinds of refusals; {len(found - before)} are new, {len(before - found)} are gone")
    if arguments.write:
        write(found)
    return 0 if arguments.write or found == before else 1


if __name__ == "__main__":
    sys.exit(main())
