"""The decoder of a core with synapse tables: the ESU beside them."""
