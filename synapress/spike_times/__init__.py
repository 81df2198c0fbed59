"""From a trained network of spikes in time to layers of the hardware."""
