"""NIR graphs: values against plain numpy, and bad files."""

import itertools
from pathlib import Path

import nir
import numpy as np
import pytest

from golden.errors import SynapressError
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.nir.reader import read_nir


def network(rng: np.random.Generator) -> nir.NIRGraph:
    nodes = {
        "input": nir.Input(input_type={"input": np.array([2, 8, 10])}),
        "conv": nir.Conv2d(input_shape=(8, 10), weight=rng.normal(0, 0.3, (4, 2, 3, 5)), stride=(2, 1), padding=(1, 2),
                           dilation=(1, 1), groups=1, bias=rng.normal(0, 0.1, 4)),
        "pool": nir.SumPool2d(kernel_size=np.array([2, 5]), stride=np.array([2, 5]), padding=np.array([0, 0])),
        "flat": nir.Flatten(input_type={"input": np.array([4, 2, 2])}, start_dim=0, end_dim=-1),
        "dense": nir.Affine(weight=rng.normal(0, 0.1, (3, 16)), bias=rng.normal(0, 0.1, 3)),
        "scale": nir.Scale(scale=np.array([1.0, -2.0, 0.5])),
        "output": nir.Output(output_type={"output": np.array([3])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names)))


def expected(graph: nir.NIRGraph, x: np.ndarray) -> np.ndarray:
    conv, dense = graph.nodes["conv"], graph.nodes["dense"]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    result = np.empty((len(x), 4, 4, 10))
    for row in range(4):
        for column in range(10):
            window = padded[:, None, :, 2 * row:2 * row + 3, column:column + 5]
            result[:, :, row, column] = (window * conv.weight).sum((2, 3, 4)) + conv.bias
    pooled = result.reshape(-1, 4, 2, 2, 2, 5).sum((3, 5)).reshape(len(x), -1)
    return (pooled @ dense.weight.T + dense.bias) * graph.nodes["scale"].scale


def test_a_file_equals_numpy(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = network(rng)
    nir.write(tmp_path / "model.nir", graph)
    read = read_nir(tmp_path / "model.nir")
    x = rng.normal(0, 1, (3, 2, 8, 10))
    values = reference.run(read.graph, {"input": read.inputs[0].to_maps(x)})
    got = read.outputs[0].from_maps(values[read.outputs[0].node])
    np.testing.assert_allclose(got, expected(graph, x), atol=1e-12)


@pytest.mark.parametrize("window", [2, 3])
def test_a_sum_pool_with_same_padding(window: int, seed: int) -> None:
    """11 × 10 elements, stride 2: the larger half of the padding is behind."""
    x = np.random.default_rng(seed).normal(0, 1, (3, 2, 11, 10))

    def pool(kind: type) -> nir.NIRGraph:
        nodes = {"input": nir.Input(input_type={"input": np.array([2, 11, 10])}),
                 "pool": kind(kernel_size=np.array([window] * 2), stride=np.array([2, 2]), padding="same"),
                 "output": nir.Output(output_type={"output": np.array([2, 6, 5])})}
        return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)), type_check=False)

    read = read_nir(pool(nir.SumPool2d))
    values = reference.run(read.graph, {"input": read.inputs[0].to_maps(x)})
    got = read.outputs[0].from_maps(values[read.outputs[0].node])
    padded = np.pad(x, ((0, 0), (0, 0), ((0, 1), (1, 1))[window - 2], ((0, 0), (0, 1))[window - 2]))
    assert got.shape == (3, 2, 6, 5)
    for row, column in np.ndindex(6, 5):
        part = padded[:, :, 2 * row:2 * row + window, 2 * column:2 * column + window]
        np.testing.assert_allclose(got[:, :, row, column], part.sum((2, 3)), atol=1e-12)
    with pytest.raises(ModelError, match=r"node 'pool', rule 'padding': needs numbers.*in numbers, which does"):
        read_nir(pool(nir.AvgPool2d))


def test_a_cycle_names_its_nodes() -> None:
    graph = network(np.random.default_rng(1))
    graph.edges.append(("scale", "dense"))
    with pytest.raises(ModelError, match=r"node 'dense', rule 'cycle'.*dense, scale"):
        read_nir(graph)


def test_a_dense_layer_of_a_map_is_refused() -> None:
    graph = network(np.random.default_rng(1))
    del graph.nodes["flat"]
    graph.edges = [("pool", "dense") if edge == ("pool", "flat") else edge for edge in graph.edges
                   if edge != ("flat", "dense")]
    with pytest.raises(ModelError, match=r"node 'dense', rule 'Affine'.*vector.*\(4, 2, 2\).*Flatten"):
        read_nir(graph)


def test_damaged_files_are_never_a_traceback(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    nir.write(tmp_path / "model.nir", network(rng))
    whole, refused = (tmp_path / "model.nir").read_bytes(), 0
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), int(rng.integers(1, 30))):
            data[at] = int(rng.integers(256))
        (tmp_path / "bad.nir").write_bytes(data[:int(rng.integers(len(data) // 2, len(data) + 1))])
        try:
            read_nir(tmp_path / "bad.nir")
        except SynapressError:
            refused += 1
    assert refused > 20
