"""Tests. Property tests draw the same examples each time and know no deadline: CI is slow."""

from hypothesis import settings

settings.register_profile("studio", deadline=None, derandomize=True)
settings.load_profile("studio")
