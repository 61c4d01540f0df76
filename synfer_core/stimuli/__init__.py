"""Stimulus sets for experiments: a few lines of YAML become matched, documented images.

spec -> plan -> making (framed, treated, matched) -> export, and remaking from its table alone.
Read `making.py` first.
"""
