"""Tables of synapses of any size, served to compiled hardware by a C++ host."""
