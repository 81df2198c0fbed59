"""The compute-in-memory update unit on a network: what stays in its array, cycles, energy, beside published figures."""
