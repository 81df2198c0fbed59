"""One's own network: layers with integer weights → memory image → RTL, compared with the golden model.

    python -m examples.own_network

A residual block on an 8×8 map of two channels, with random weights; put your own in their place.
"""

import numpy as np

import synapress
from golden.words import Saturation

rng = np.random.default_rng(1)


def network() -> synapress.Network:
    """The network; `synapress footprint` and `synapress map` take this file, too."""
    net = synapress.Network("residual")
    net.input("in", (2, 8, 8))  # (D, W, H): channels, columns, rows
    net.conv("stem", "in", rng.integers(-20, 20, (8, 2, 3, 3)), padding=1, stride=2, multiplier=3, shift=6)
    net.conv("inner", "stem", rng.integers(-20, 20, (8, 8, 3, 3)), padding=1, multiplier=1, shift=6)
    # The block's last convolution and its shortcut add up in one population.
    net.add("sum", ["stem", net.branch("inner", rng.integers(-20, 20, (8, 8, 1, 1)))], multiplier=1, shift=4)
    net.dense("scores", "sum", rng.integers(-20, 20, (5, 8 * 4 * 4)), shift=6, saturation=Saturation.FULL)
    net.output("scores")
    return net


def main() -> None:
    config = synapress.CoreConfig.preset("grai_vip")
    _, image = synapress.compile_network(network(), config)
    image.save("build/own_network")
    print(f"{len(image)} words in build/own_network")

    frames = rng.integers(0, 256, (3, 2, 8, 8)) * (rng.random((3, 2, 8, 8)) < 0.3)
    result = synapress.simulate_image(image, {"in": frames})
    print("RTL = golden:", result.comparison.equal)
    print("scores:", result.outputs["scores"].reshape(3, -1).tolist())
    print("synaptic operations:", result.counters["synapses"], "cycles:", result.counters["cycles"])


if __name__ == "__main__":
    main()
