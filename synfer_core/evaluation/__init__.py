"""Measurements: what the built-in model can do, and how fast."""
