"""Memory organisations side by side: what a layer's synapses take in each, beside published figures."""
