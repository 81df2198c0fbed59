"""The event-to-synapse unit: synapses computed from the geometry of kernels."""

from rtl.synapse.esu.walk import Esu

__all__ = ["Esu"]
