"""The registry of operators: declarations, operators of users, local functions, sizes that a file leaves open."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import synapress
from synapress.mapper.errors import ModelError, OperatorError
from synapress.mapper.importers import functions, reference
from synapress.mapper.importers.onnx import proto as protos
from synapress.mapper.importers.onnx import registry
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.importers.onnx.registry import MICROSOFT, declared, operator, withdraw
from synapress.mapper.importers.tensor import Tensor

IMAGE = (3, 8, 8)
node = helper.make_node


def model(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], *, shape: tuple[int | str, ...] = ("n", *IMAGE),
    opset: int = 17, functions: tuple[onnx.FunctionProto, ...] = (), domains: tuple[str, ...] = (),
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model from "x" to "y"."""
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()])
    graph.output[0].type.tensor_type.shape.SetInParent()
    for size in ("n", "c", "h", "w"):
        graph.output[0].type.tensor_type.shape.dim.add().dim_param = size
    return helper.make_model(graph, functions=list(functions), opset_imports=[
        helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)])


def conv(source: str, result: str, weights: str) -> onnx.NodeProto:
    return node("Conv", [source, weights], [result], name=f"conv {result}", pads=[1] * 4)


@pytest.fixture
def constants(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"w": rng.normal(0, 0.3, (8, 3, 3, 3)), "v": rng.normal(0, 0.3, (4, 8, 3, 3)), "c": np.array(0.3),
            "each": rng.normal(0, 0.3, (8, 1, 1)), "zero": np.array(0.0), "scale": rng.uniform(0.5, 1.5, 8)}


def agrees(proto: onnx.ModelProto, seed: int) -> None:
    """The float graph against onnx's evaluator."""
    read = read_onnx(proto)
    frames = np.random.default_rng(seed).normal(0, 1, (2, *IMAGE)).astype(np.float32)
    found = reference.run(read.graph, {port.node: port.to_maps(frames) for port in read.inputs})
    expected = ReferenceEvaluator(proto).run(None, {"x": frames})[0]
    np.testing.assert_allclose(read.outputs[0].from_maps(found[read.outputs[0].node]), expected, rtol=1e-4, atol=1e-4)


# -- declarations ------------------------------------------------------------------------------


def test_declarations_cover_every_version_that_onnx_has() -> None:
    """A version that a new release of onnx brings must be looked at before it is read."""
    versions: dict[str, set[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, set()).add(schema.since_version)
    found = [item for item in declared() if item.domain == ""]
    assert len(found) > 70
    for item in found:
        first, last = item.opsets
        known = versions[item.name]
        assert {first, last} <= known and last == max(known), (item.name, known)
    assert {item.domain for item in declared()} == {"", MICROSOFT}


def test_a_version_that_is_not_read_is_refused(
    constants: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = next(item for item in declared() if (item.domain, item.name) == ("", "Conv"))
    monkeypatch.setitem(item.__dict__, "opsets", (1, 10))
    with pytest.raises(ModelError, match=r"'conv y', rule 'Conv: operator set': needs version 1 … 10.*given: 11"):
        read_onnx(model([conv("x", "y", "w")], constants))


@pytest.fixture
def cube() -> Iterator[Callable[..., None]]:
    """An operator of a user, with a function of its own."""
    functions.register("cube", lambda x: x**3)

    @operator("Cube", opsets=(1, 1), domain="own")
    def import_cube(context: Context, call: Call) -> Tensor:
        return context.function(call, call.tensor(), "cube")

    yield
    withdraw("Cube", "own")
    del functions.FUNCTIONS["cube"]


@pytest.mark.usefixtures("cube")
def test_an_operator_of_a_user_is_compiled(constants: dict[str, np.ndarray], seed: int) -> None:
    proto = model([conv("x", "a", "w"), node("Cube", ["a"], ["b"], domain="own"), conv("b", "y", "v")], constants,
                  domains=("own",))
    spelled = model([conv("x", "a", "w"), node("Mul", ["a", "a"], ["s"]), node("Mul", ["s", "a"], ["b"]),
                     conv("b", "y", "v")], constants)
    frames = np.random.default_rng(seed).normal(0, 1, (8, *IMAGE)).astype(np.float32)
    compiled = synapress.compile(read_onnx(proto), calibration=frames)
    found = synapress.simulate(compiled, frames[:2], engine="golden").outputs["y"]
    expected = ReferenceEvaluator(spelled).run(None, {"x": frames[:2]})[0]
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    with pytest.raises(OperatorError, match="'Cube' of domain 'own' is declared already"):
        operator("Cylinder", "Cube", opsets=(1, 1), domain="own")(lambda context, call: None)
    with pytest.raises(OperatorError, match="'Cylinder' of domain 'own' is not declared"):  # not half of them either
        withdraw("Cylinder", "own")


EARLY = """
import sys
import synapress
from synapress.onnx_operators import OperatorError, operator, withdraw

def halved(context, call):
    return context.function(call, call.tensor(), "leaky_relu", 0.5)

try:
    operator("LRN", "Sigmoid", opsets=(1, 13))(halved)
except OperatorError as error:
    assert "withdraw('Sigmoid', '') before" in str(error)
else:
    raise AssertionError
withdraw("Sigmoid")
operator("Sigmoid", "LRN", opsets=(1, 13), domain="ai.onnx")(halved)
print([node.function for node in synapress.load(sys.argv[1]).graph if hasattr(node, "function")])
"""


def test_declarations_before_the_first_file_count(constants: dict[str, np.ndarray], tmp_path: Path) -> None:
    onnx.save(model([conv("x", "a", "w"), node("Sigmoid", ["a"], ["b"]), node("LRN", ["b"], ["d"], size=3),
                     conv("d", "y", "v")], constants), tmp_path / "net.onnx")
    done = subprocess.run([sys.executable, "-c", EARLY, tmp_path / "net.onnx"], capture_output=True, text=True,
                          check=False)
    assert done.stdout == "['leaky_relu', 'leaky_relu']\n", done.stderr


@pytest.mark.usefixtures("cube")
def test_opsets_hold_in_every_domain(constants: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    proto = model([conv("x", "a", "w"), node("Cube", ["a"], ["y"], name="last", domain="own")], constants,
                  domains=("own",))
    item = next(item for item in declared() if item.name == "Cube")
    monkeypatch.setitem(item.__dict__, "opsets", (5, 9))
    for version in (5, 9):
        proto.opset_import[1].version = version
        assert read_onnx(proto).outputs
    for version, says in ((1, "set 5 or later"), (10, "an operator set below 10"), (12, "an operator set below 10")):
        proto.opset_import[1].version = version
        with pytest.raises(ModelError, match=r"'last', rule 'Cube: operator set': needs version 5 … 9 of the operator "
                                             rf"set 'own'; given: {version}\. Export with .*{says}"):
            read_onnx(proto)


@pytest.mark.usefixtures("cube")
def test_a_function_that_nobody_registered_is_refused(
    constants: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch,
) -> None:
    proto = model([conv("x", "a", "w"), node("Cube", ["a"], ["y"], name="last", domain="own")], constants,
                  domains=("own",))
    found = functions.FUNCTIONS.pop("cube")
    try:
        with pytest.raises(ModelError, match=r"'last', rule 'Cube: function': needs .*; given: 'cube'\. Register it"):
            read_onnx(proto)
    finally:
        functions.register("cube", found)
    assert read_onnx(proto).outputs
    item = next(item for item in declared() if item.name == "Cube")
    monkeypatch.setitem(item.__dict__, "handler", lambda context, call: context.function(
        call, call.tensor(), "cube", 2.0))
    with pytest.raises(ModelError, match=r"needs as many parameters as 'cube' takes; given: \(2.0,\)\. Give others"):
        read_onnx(proto)
    with pytest.raises(OperatorError, match="'cube' is registered already"):
        functions.register("cube", found)


def test_an_operator_that_others_are_made_of_may_be_missing(
    constants: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch,
) -> None:
    proto = model([conv("x", "a", "w"), node("Greater", ["a", "zero"], ["g"]),
                   node("Where", ["g", "a", "zero"], ["y"], name="choose")], constants)
    assert read_onnx(proto).outputs
    monkeypatch.delitem(registry._OPERATORS, ("", "Mul"))
    with pytest.raises(ModelError, match="'choose/chosen', rule 'Where: operator': needs the operator Mul"):
        read_onnx(proto)



def test_the_example_of_the_documents(constants: dict[str, np.ndarray], seed: int) -> None:
    page = (Path(__file__).parents[4] / "docs" / "models.md").read_text(encoding="utf-8")
    example, = re.findall(r"```python\n(.*?)```", page.partition("### Operators of your own")[2].partition("\n## ")[0],
                          re.DOTALL)
    try:
        exec(example, {"__name__": "my_operators"})
        proto = model([conv("x", "a", "w"), node("BentIdentity", ["a"], ["y"], domain="my.ops", a=0.25)], constants,
                      domains=("my.ops",))
        read = read_onnx(proto)
    finally:
        withdraw("BentIdentity", "my.ops")
    plain = model([conv("x", "y", "w")], constants)
    frames = np.random.default_rng(seed).normal(0, 1, (8, *IMAGE)).astype(np.float32)
    sums = ReferenceEvaluator(plain).run(None, {"x": frames})[0]
    expected = (np.sqrt(sums**2 + 1) - 1) / 4 + sums
    found = synapress.simulate(synapress.compile(read, calibration=frames), frames).outputs["y"]
    del functions.FUNCTIONS["bent"]
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


# -- operators ---------------------------------------------------------------------------------

CHOICES = {
    "Max(LeakyRelu(x), c)": [node("LeakyRelu", ["a"], ["b"], alpha=0.1), node("Max", ["b", "c"], ["m"])],
    "per channel": [node("Max", ["a", "each"], ["n"]), node("Min", ["each", "n", "c"], ["m"])],
    "of maps": [node("Neg", ["a"], ["b"]), node("Max", ["a", "b", "c"], ["n"]), node("Tanh", ["a"], ["t"]),
                node("Min", ["n", "t"], ["m"])],
    "Where": [node("Greater", ["a", "zero"], ["g"]), node("Mul", ["a", "c"], ["b"]),
              node("Where", ["g", "a", "b"], ["m"])],
    "truth values": [node("Less", ["a", "each"], ["p"]), node("GreaterOrEqual", ["c", "a"], ["q"]),
                     node("Not", ["q"], ["r"]), node("And", ["p", "q"], ["s"]), node("Or", ["s", "r"], ["t"]),
                     node("Tanh", ["a"], ["b"]),
                     node("Where", ["t", "c", "b"], ["m"])],
    "Cast": [node("LessOrEqual", ["a", "each"], ["g"]), node("Cast", ["g"], ["m"], to=TensorProto.FLOAT)],
    "constants": [node("Greater", ["a", "zero"], ["g"]), node("Where", ["g", "each", "c"], ["m"])],
    "Sin": [node("Sin", ["a"], ["b"]), node("Cos", ["b"], ["d"]), node("Sign", ["a"], ["e"]),
            node("Mul", ["d", "e"], ["m"])],
    "InstanceNormalization": [node("InstanceNormalization", ["a", "scale", "scale"], ["m"])],
    "LayerNormalization": [node("Transpose", ["a"], ["t"], perm=[0, 2, 3, 1]), node(
        "LayerNormalization", ["t", "scale", "scale"], ["u"]), node("Transpose", ["u"], ["m"], perm=[0, 3, 1, 2])],
}


@pytest.mark.parametrize("name", CHOICES)
def test_values_are_those_of_onnx(name: str, constants: dict[str, np.ndarray], seed: int) -> None:
    agrees(model([conv("x", "a", "w"), *CHOICES[name], conv("m", "y", "v")], constants), seed)


def test_integers_of_a_chosen_value(constants: dict[str, np.ndarray], seed: int) -> None:
    """Event by event, from the image."""
    proto = model([conv("x", "a", "w"), *CHOICES["Max(LeakyRelu(x), c)"], conv("m", "y", "v")], constants)
    frames = np.random.default_rng(seed).normal(0, 1, (8, *IMAGE)).astype(np.float32)
    compiled = synapress.compile(read_onnx(proto), calibration=frames)
    found = synapress.simulate(compiled, frames[:2], engine="golden").outputs["y"]
    expected = ReferenceEvaluator(proto).run(None, {"x": frames[:2]})[0]
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_truth_values_as_outputs_are_refused_by_the_reader(constants: dict[str, np.ndarray]) -> None:
    proto = model([conv("x", "a", "w"), node("Greater", ["a", "zero"], ["y"], name="last")], constants,
                  kind=TensorProto.BOOL)
    with pytest.raises(ModelError, match=r"'last', rule 'output': needs real numbers"):
        read_onnx(proto)


def test_an_operator_is_refused_before_constants_are_folded(constants: dict[str, np.ndarray]) -> None:
    large = [node("ConstantOfShape", ["sizes"], ["much"]), node("Add", ["x", "much"], ["a"]),
             node("Det", ["a"], ["y"], name="late")]
    proto = model(large, {})
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "sizes"))
    with pytest.raises(ModelError, match=r"node 'late', rule 'operator'"):
        read_onnx(proto)


def test_a_number_of_elements_is_no_supported_operator(constants: dict[str, np.ndarray]) -> None:
    """Size of a map is refused by name, as others are, although it does not depend on data."""
    proto = model([conv("x", "y", "w"), node("Size", ["y"], ["count"], name="count")], constants)
    with pytest.raises(ModelError, match=r"node 'count', rule 'operator'.*given: Size"):
        read_onnx(proto)


def test_an_initializer_that_nothing_reads_is_no_input(constants: dict[str, np.ndarray]) -> None:
    """Also where the file lists it among the inputs, as old ones do."""
    proto = model([conv("x", "y", "w")], constants)
    for name in ("c", "late"):
        proto.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    assert read_onnx(proto).ignored == ("late",)


# -- functions and sizes -----------------------------------------------------------------------


def doubling(levels: int) -> tuple[onnx.FunctionProto, ...]:
    """Functions each of which calls the one before twice."""
    imports = [helper.make_opsetid("", 15), helper.make_opsetid("own", 1)]
    made = [helper.make_function("own", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], imports)]
    for level in range(1, levels):
        calls = [node(f"F{level - 1}", ["a"], ["t"], domain="own"), node(f"F{level - 1}", ["t"], ["b"], domain="own")]
        made.append(helper.make_function("own", f"F{level}", ["a"], ["b"], calls, imports))
    return tuple(made)


def test_local_functions_are_inlined(constants: dict[str, np.ndarray], tmp_path: Path, seed: int) -> None:
    proto = model([conv("x", "a", "w"), node("F2", ["a"], ["m"], domain="own"), conv("m", "y", "v")], constants,
                  opset=15, functions=doubling(3), domains=("own",))
    agrees(proto, seed)
    onnx.save(proto, tmp_path / "m.onnx")
    assert not protos.load_proto(tmp_path / "m.onnx").functions and not synapress.load(tmp_path / "m.onnx").on_host


def test_functions_that_would_grow_without_bound_are_refused(constants: dict[str, np.ndarray]) -> None:
    proto = model([node("F29", ["x"], ["y"], domain="own")], {}, opset=15, functions=doubling(30), domains=("own",))
    with pytest.raises(ModelError, match=r"rule 'functions': needs at most 1,048,576 nodes.*536,870,912"):
        read_onnx(proto)


def test_sizes_that_a_file_leaves_open_can_be_given(constants: dict[str, np.ndarray], tmp_path: Path) -> None:
    """By what the refusal says."""
    path = tmp_path / "m.onnx"
    onnx.save(model([conv("x", "y", "w")], constants, shape=("n", 3, "rows", "columns")), path)
    with pytest.raises(ModelError, match=r"dimension 2 is rows in \(n, 3, rows, columns\).*"
                       r"shapes=\{'x': \(1, 3, …, …\)\}\).*--shape x=1,3,…,…"):
        synapress.load(path)
    assert synapress.load(path, shapes={"x": (1, 3, 10, 12)}).outputs[0].dims == (1, 8, 10, 12)
    for shapes, says in (({"x": (1, 4, 10, 12)}, "needs 4 sizes of at least 1, as in the file"),
                         ({"x": (1, 3)}, "4 sizes"), ({"x": (1, 3, 0, 12)}, "4 sizes"),
                         ({"z": (1,)}, "names of inputs: x")):
        with pytest.raises(ModelError, match=says):
            synapress.load(path, shapes=shapes)
