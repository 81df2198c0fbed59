"""A mesh in compiled RTL core by core: each gets what the golden mesh says, and must do the same."""
