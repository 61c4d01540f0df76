"""Morph continua: one face from neutral to apex in even steps, as frames and moving pictures.

spec (with curves) -> making (measured by evenness) -> export (moving pictures by video). Read
`making.py` first.
"""
