"""What is put onto a picture when it leaves the program. Light: the command line builds on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Marking:
    """How a picture is marked as it is written; its metadata always says where it comes from.

    Attributes:
        watermark: Put the imperceptible watermark into the pixels.
        label: Put a small label that people can see into the bottom right corner.
    """

    watermark: bool = True
    label: bool = False


PLAIN = Marking(watermark=False)
"""Pixels exactly as they were made."""
