"""A convolutional front and an irregular back on one core: kernels beside synapses in tables.

    python -m examples.irregular_network

The matrix of the back has one synapse in ten, as pruning leaves them; put your own in its place.
"""

import dataclasses

import numpy as np

import synapress
from synapress.reports.choices import organisations_sheet
from synapress.reports.tables import show

rng = np.random.default_rng(1)
CONFIG = dataclasses.replace(synapress.CoreConfig.preset("grai_vip"), name="tables", decoder="mixed",
                             organisations=("crossbar", "bitmap", "compressed_rows"))


def network() -> synapress.Network:
    net = synapress.Network("irregular")
    net.input("in", (2, 12, 12))  # (D, W, H): channels, columns, rows
    net.conv("front", "in", rng.integers(-20, 20, (8, 2, 3, 3)), stride=2, shift=6)
    matrix = rng.integers(-20, 20, (8 * 5 * 5, 60)) * (rng.random((200, 60)) < 0.1)  # (inputs, outputs)
    net.sparse("back", "front", matrix, shift=4)  # stored the cheapest way
    net.sparse("scores", "back", rng.integers(-3, 4, (60, 5)), organisation="crossbar", shift=3,
               saturation=synapress.Saturation.FULL)
    net.output("scores")
    return net


def main() -> None:
    compiled = synapress.compile(network(), config=CONFIG)
    show([organisations_sheet(compiled)])

    frames = rng.integers(0, 256, (3, 2, 12, 12)) * (rng.random((3, 2, 12, 12)) < 0.3)
    result = synapress.simulate(compiled, {"in": frames}, engine="rtl")  # an error if the RTL differs from golden
    print("scores:", result.outputs["scores"].reshape(3, -1).tolist())
    assert result.counters is not None
    print("synaptic operations:", result.counters["synapses"], "cycles:", result.counters["cycles"])


if __name__ == "__main__":
    main()
