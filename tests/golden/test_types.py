"""The names of arrays, pairs and shapes: each has one home."""

import ast
from pathlib import Path

from golden import types

ROOT = Path(__file__).parents[2]


def aliases(path: Path) -> dict[str, str]:
    """Module-level names that stand for a type, by what they stand for."""
    return {ast.unparse(node.value): target.id for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
            for target in node.targets if isinstance(target, ast.Name)}


def test_no_type_is_named_twice() -> None:
    """A module takes the names from golden.types; it gives no type a second name, and no name a second type."""
    home = aliases(Path(types.__file__))
    assert {"IntArray", "Words", "Pair", "Shape", "Place"} <= set(vars(types))
    # Sizes of a file are checked as they are read: positive numbers, and so another type.
    checked = {("synapress/mapper/image/manifest.py", "Shape")}
    for folder in ("golden", "rtl", "synapress", "tb", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            if path == Path(types.__file__):
                continue
            for meaning, name in aliases(path).items():
                where = path.relative_to(ROOT).as_posix()
                assert (where, name) in checked or name not in home.values(), f"{where} defines {name} again"
                spelled = meaning in home and meaning.startswith(("npt.", "dict["))
                assert not spelled, f"{where}: {name} is golden.types.{home.get(meaning)}"
