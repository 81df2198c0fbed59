"""A spiking network for handwritten digits, trained with snnTorch and written as NIR by it."""
