"""Compute-in-memory cores: what stays in their arrays, where, and their images."""
