"""Commands that measure, and write documents of what they found."""
