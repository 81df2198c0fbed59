"""The configuration of a core with the array of the FlexSpIM chip.

Chauvaux et al., arXiv 2410.23082, section III: 512 rows of 256 columns, 16 kB.
"""

from golden.config import CoreConfig

FLEXSPIM = CoreConfig(
    name="flexspim", update="cim", address_bits=17, population_bits=4, access_counters=1,
    neuron_types=("sum", "spiking"), cim_rows=512, cim_columns=256, cim_tags=1024,
)
"""A megabyte behind the array: all layers of the network for gestures, six convolutions and their pools, fit."""
