"""Networks as snnTorch, sinabs and Norse themselves write them, and the spikes they compute (`write.py`)."""
