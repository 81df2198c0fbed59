"""The conformance tests of the onnx package, and the table that docs/ has of them."""

import re

from studies import conformance


def test_conformance_is_what_the_docs_say() -> None:
    found = conformance.outcomes()
    assert not [item for item in found if item.verdict == "failed"]
    assert {name for item in found if item.verdict == "passed" for name in item.operators.split(", ")} >= set(
        conformance.OPERATORS) - {"Constant", *conformance.OF_TRUTH}, "every operator has a test that passes"
    flat = [item for item in found if item.flat]
    assert len(flat) > 250
    assert sum(item.verdict == "passed" for item in flat) >= 0.95 * len(flat)
    assert conformance.DOCUMENT.read_text() == conformance.document(found), "run python -m studies.conformance --write"


def test_every_operator_that_the_docs_name_is_under_test() -> None:
    text = (conformance.DOCUMENT.parent / "models.md").read_text()
    floats = text.split("- **ONNX**, float: ")[1].split(". `x")[0]
    named = set(re.findall(r"[A-Z][A-Za-z]+", floats)) | {
        "QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul"}
    assert len(named) > 40 and named | {"Constant"} == set(conformance.OPERATORS)
