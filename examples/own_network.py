"""One's own network: layers with integer weights → memory image → RTL, compared with the golden model.

    python -m examples.own_network

A residual block on an 8×8 map of two channels, with random weights; put your own in their place.
"""

import numpy as np

import synapress

rng = np.random.default_rng(1)


def network() -> synapress.Network:
    """The network; `synapress footprint` and `synapress map` take this file, too."""
    net = synapress.Network("residual")
    net.input("in", (2, 8, 8))  # (D, W, H): channels, columns, rows
    net.conv("stem", "in", rng.integers(-20, 20, (8, 2, 3, 3)), padding=1, stride=2, multiplier=3, shift=6)
    net.conv("inner", "stem", rng.integers(-20, 20, (8, 8, 3, 3)), padding=1, multiplier=1, shift=6)
    # The block's last convolution and its shortcut add up in one population.
    net.add("sum", ["stem", net.branch("inner", rng.integers(-20, 20, (8, 8, 1, 1)))], multiplier=1, shift=4)
    net.dense("scores", "sum", rng.integers(-20, 20, (5, 8 * 4 * 4)), shift=6, saturation=synapress.Saturation.FULL)
    net.output("scores")
    return net


def main() -> None:
    compiled = synapress.compile(network(), config="grai_vip")
    compiled.save("build/own_network")
    print(f"{compiled.words} words in build/own_network")

    frames = rng.integers(0, 256, (3, 2, 8, 8)) * (rng.random((3, 2, 8, 8)) < 0.3)
    result = synapress.simulate(compiled, {"in": frames}, engine="rtl")  # an error if the RTL differs from golden
    print("scores:", result.outputs["scores"].reshape(3, -1).tolist())
    assert result.counters is not None
    print("synaptic operations:", result.counters["synapses"], "cycles:", result.counters["cycles"])


if __name__ == "__main__":
    main()
