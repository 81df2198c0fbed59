"""Whole meshes in compiled RTL: one model of a node, instantiated for each node of the mesh."""
