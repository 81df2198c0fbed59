"""A small CNN for handwritten digits: data, training, quantisation and the trained weights."""
