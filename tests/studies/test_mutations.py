"""The list of mutations: every change can be made where it says, and every test it names exists."""

import ast
from functools import cache

import pytest

from studies.mutants import Mutation
from studies.mutations import MARK, MUTATIONS, PAGE, ROOMS, ROOT


@cache
def functions_of(file: str) -> set[str]:
    """Names of a test file's functions, without importing it."""
    return {node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_the_changed_text_is_in_its_file_once(mutation: Mutation) -> None:
    path = ROOT / mutation.file
    assert mutation.file.split("/")[0] in ROOMS, "the command copies only these folders"
    assert path.is_file()
    assert path.read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old


@pytest.mark.parametrize("test", dict.fromkeys(mutation.test for mutation in MUTATIONS))
def test_the_named_test_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert file.split("/")[0] in ROOMS, "the command copies only these folders"
    assert (ROOT / file).is_file()
    assert name in functions_of(file)


def test_descriptions_are_unique() -> None:
    """`--only` and the table tell changes apart by them."""
    assert len({mutation.what for mutation in MUTATIONS}) == len(MUTATIONS)


def test_the_page_lists_the_mutations() -> None:
    rows = [line for line in PAGE.read_text().split(MARK)[1].splitlines() if line.startswith("| ")][1:]
    assert rows == [f"| {item.what} | `{item.file}` | `{item.test}` |" for item in MUTATIONS]
