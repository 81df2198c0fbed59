"""Networks that learn a pattern of spikes: by an optimizer in software, and by the hardware's own update unit."""
