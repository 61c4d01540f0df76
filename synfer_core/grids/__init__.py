"""Grids of faces: one base recipe, and what rows and columns change. Read `spec.py` first."""
