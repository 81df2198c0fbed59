"""The limits on the size of functions and files, and what may exceed them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FUNCTION_LINES, FILE_LINES = 80, 400
"""The most lines of a function, decorators aside, and of a file."""

SPLIT = "waits for the split of control and data path"
EXCEPTIONS = {
    "rtl/synapse/esu/walk.py::Esu._addresses": SPLIT,
    "rtl/synapse/esu/walk.py::Esu._walk": SPLIT,
}
"""By file, or file and function: why it may be too long."""


def python_files() -> list[Path]:
    """Those of the repository: not of virtual environments, which start with a dot, or of output."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name != "build" and path.name[0] != "."]
    return sorted([*ROOT.glob("*.py"), *(file for folder in folders for file in folder.rglob("*.py"))])


def too_long(name: str, text: str) -> dict[str, int]:
    """The file, if it is too long, and its functions that are, with their lines."""
    found = {name: lines} if (lines := len(text.splitlines())) > FILE_LINES else {}

    def visit(node: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                continue  # most nodes, and none holds a function with a name
            inner = scope
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{scope}.{child.name}" if scope else child.name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                assert child.end_lineno is not None
                if (lines := child.end_lineno - child.lineno + 1) > FUNCTION_LINES:
                    found[f"{name}::{inner}"] = max(lines, found.get(f"{name}::{inner}", 0))
            visit(child, inner)

    visit(ast.parse(text), "")
    return found


def test_functions_and_files_are_short() -> None:
    files = python_files()
    assert Path(__file__) in files and ROOT / "rtl/synapse/esu/walk.py" in files
    found: dict[str, int] = {}
    for file in files:
        found |= too_long(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    assert {name: lines for name, lines in found.items() if name not in EXCEPTIONS} == {}, "split these"
    assert [name for name in EXCEPTIONS if name not in found] == [], "these exceptions are no longer needed"


@pytest.mark.parametrize("header", ["def f():", "async def f():", "class A:\n  def f(self):",
                                    "def outer(): pass\nif True:\n  def f():"])
def test_a_function_one_line_too_long_is_found(header: str) -> None:
    indent = " " * (len(header.splitlines()[-1]) - len(header.splitlines()[-1].lstrip()) + 2)
    name = "a.py::A.f" if "class" in header else "a.py::f"
    body = f"{indent}pass\n" * FUNCTION_LINES
    assert too_long("a.py", f"{header}\n{body}") == {name: FUNCTION_LINES + 1}
    assert too_long("a.py", f"{header}\n{body[len(indent) + 5:]}") == {}


def test_a_file_one_line_too_long_is_found() -> None:
    assert too_long("a.py", "pass\n" * FILE_LINES) == {}
    assert too_long("a.py", "pass\n" * (FILE_LINES + 1)) == {"a.py": FILE_LINES + 1}
