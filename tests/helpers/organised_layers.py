"""Layers of every kind, small enough for literal walks through all memory organisations."""

import numpy as np

from synapress.reports.organisations.layers import Convolved, Drawn, Given, Layer

LAYERS: list[Layer] = [
    Drawn(name="drawn", inputs=30, outputs=70, density=0.2, weight_bits=5),
    Given(name="given", weights=np.array([[0, 3, -4], [0, 0, 0]]), weight_bits=3),
    Convolved.square("square", kernel=3, image=5, channels=4, source_channels=2, weight_bits=6),
    Convolved(name="strided", source=(2, 7, 6), shape=(3, 4, 3), kernel=(3, 2), stride=(2, 2), padding=(1, 0)),
    Convolved(name="dilated", source=(1, 6, 6), shape=(2, 4, 4), kernel=(3, 3), dilation=(2, 2), padding=(1, 1)),
    Convolved(name="pruned", source=(3, 5, 4), shape=(2, 5, 3), kernel=(3, 2), padding=(1, 0),
              kept=np.arange(36).reshape(2, 3, 3, 2) % 4 == 1),
]
