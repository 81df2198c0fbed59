"""The conformance tests of the onnx package, and the table that docs/ has of them."""

from tests import conformance


def test_conformance_is_what_the_docs_say() -> None:
    found = conformance.outcomes()
    assert not [item for item in found if item.verdict == "failed"]
    assert {name for item in found if item.verdict == "passed" for name in item.operators.split(", ")} >= set(
        conformance.OPERATORS) - {"Constant"}, "every operator has a test that passes"
    flat = [item for item in found if item.flat]
    assert len(flat) > 250
    assert sum(item.verdict == "passed" for item in flat) >= 0.95 * len(flat)
    assert conformance.DOCUMENT.read_text() == conformance.document(found), "run python -m tests.conformance --write"
