"""Worked examples of Synapress."""
