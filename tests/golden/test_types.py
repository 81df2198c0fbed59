"""The names of arrays, pairs and shapes: each has one home."""

import ast
from pathlib import Path

from golden import types

ROOT = Path(__file__).parents[2]


def aliases(path: Path) -> list[tuple[str, str]]:
    """Module-level names that stand for a type, and what they stand for."""
    return [(target.id, ast.unparse(node.value)) for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
            for target in node.targets if isinstance(target, ast.Name)]


def test_no_type_is_named_twice() -> None:
    """A module takes the names from golden.types, and gives no other name to an array, and none of them to another."""
    home = Path(types.__file__)
    names, arrays = {name for name, _ in aliases(home)}, {meaning for _, meaning in aliases(home) if "npt." in meaning}
    assert {"IntArray", "Words", "Pair", "Shape", "Place"} <= names
    # Sizes in a file are checked as they are read: positive numbers, and so another type.
    others = {("synapress/mapper/image/manifest.py", "Shape")}
    folders = (ROOT / folder for folder in ("golden", "rtl", "synapress", "tb", "tests"))
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for name, meaning in aliases(path) if path != home else []:
            assert name not in names or (where, name) in others, f"{where} defines {name} again"
            assert meaning not in arrays, f"{where}: {name} has a name in golden.types"
