"""The floors of the house: no import climbs, and no files import each other in a circle.

Every import counts, also those inside functions and under `TYPE_CHECKING`: an import that is hidden ties two files all
the same. What the package `synapress` shows to its users is a façade above all floors: it names modules of all of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    ("golden",),
    ("rtl", "synapress.install", "synapress.energy"),
    ("synapress.mapper",),
    ("synapress.zoo", "synapress.tools", "synapress.spike_times", "synapress.training"),
    ("synapress.engines", "synapress.host"),
    ("synapress.model", "synapress.model_files", "synapress.results", "synapress.hardware",
     "synapress.onnx_operators"),
    ("synapress.reports",),
    ("synapress.demo", "synapress.demo_pilotnet", "synapress.demo_replay", "synapress.demo_spike_times",
     "synapress.cli", "synapress.__main__"),
    ("synapress",),
    ("tb",),
    ("tests", "studies", "benchmarks", "examples"),
)
"""From the ground up: a room imports from its own floor and from those below."""
SIBLINGS = {("synapress.mapper", "rtl"), ("synapress.tools", "synapress.zoo")}
"""Rooms of which the first may not import the second, although no floor forbids it."""
OPERATORS = "synapress.mapper.importers.onnx.operators"
"""Its files declare operators: what they share is below them."""


def modules() -> dict[str, Path]:
    """Every module of the repository by its name."""
    rooms = sorted({room.split(".")[0] for floor in FLOORS for room in floor})
    found = {}
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, path: Path) -> Iterator[str]:
    """The modules of the repository that a file imports, wherever in the file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[:len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                found = f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base
                if found in MODULES:
                    yield found


def room_of(name: str) -> tuple[int, str]:
    """Floor and room of a module: the longest room that its name starts with."""
    fits = [(len(room), number, room) for number, floor in enumerate(FLOORS) for room in floor
            if name == room or name.startswith(f"{room}.")]
    _, number, room = max(fits)
    return number, room


ARROWS = {name: sorted(set(imports(name, path)) - {name}) for name, path in MODULES.items()}


def circles(arrows: dict[str, list[str]]) -> list[list[str]]:
    """Groups of files each of which reaches the others (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in arrows[name]:
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            group = stack[stack.index(name):]
            del stack[stack.index(name):]
            if len(group) > 1:
                found.append(sorted(group))

    for name in arrows:
        if name not in order:
            visit(name)
    return found


def test_the_reader_sees_every_kind_of_import(tmp_path: Path) -> None:
    """Lazy, conditional and relative imports, of modules and of names in them; and a circle of three."""
    path = tmp_path / "file.py"
    path.write_text("def f():\n    from golden import words\n    from .network import fast\n"
                    "if TYPE_CHECKING:\n    import golden.synapse.esu\n    from golden.config import CoreConfig\n")
    assert sorted(imports("golden.file", path)) == [
        "golden.config", "golden.network.fast", "golden.synapse.esu", "golden.words"]
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]
    assert room_of("synapress.mapper.image.mesh") < room_of("synapress.cli.main") < room_of("tests.test_floors")


def test_every_module_has_a_room() -> None:
    assert len(MODULES) > 150
    unknown = [name for name in MODULES if name.startswith("synapress.") and room_of(name)[1] == "synapress"]
    assert not unknown, "give these modules a room in FLOORS"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_import_climbs(name: str) -> None:
    floor, room = room_of(name)
    climbing = [other for other in ARROWS[name] if room_of(other)[0] > floor or (room, room_of(other)[1]) in SIBLINGS]
    # The version and the names that the package shows; a package that is imported from within is above its own rooms.
    climbing = [other for other in climbing if not (other == "synapress" and room in ("synapress.cli",))]
    assert not climbing, f"{name} is on floor {floor} ({room})"


def test_no_files_import_each_other() -> None:
    assert not circles(ARROWS)


def test_no_file_of_operators_imports_another() -> None:
    files = [name for name in MODULES if name.startswith(f"{OPERATORS}.")]
    assert len(files) > 8
    assert not [(name, other) for name in files for other in ARROWS[name] if other.startswith(OPERATORS)]
