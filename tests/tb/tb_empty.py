"""A bench without tests: launching it must fail."""
