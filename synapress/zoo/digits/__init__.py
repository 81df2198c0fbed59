"""A small CNN for handwritten digits: data, training, quantization and the trained weights."""
