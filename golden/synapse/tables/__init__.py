"""Look-up tables at the source, in the place of the event generator."""
