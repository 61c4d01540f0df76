"""Frames as moving pictures: GIF and animated WebP by Pillow, MP4 (VP9) by OpenCV.

VP9 (https://www.webmproject.org/vp9/) is what the FFmpeg in OpenCV's wheels can write and browsers
can play; it writes no H.264, and browsers play no MPEG-4 Part 2.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from synfer_core.errors import DependencyError
from synfer_core.report import Pixels

CODEC = "vp09"
_PALETTE = 256
_TICK = 10
"""Milliseconds: a GIF counts in hundredths of a second."""


def gif(frames: Sequence[Pixels], fps: float, comment: str) -> bytes:
    """A GIF that repeats for ever, of frames (S, S, 3).

    All frames share one palette and nothing is dithered, so that what stands still does not
    flicker. Its times are rounded so that they do not add up to an error.

    Args:
        frames: In their order.
        fps: Frames a second.
        comment: Written into the file.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    palette = Image.fromarray(np.concatenate(list(frames))).quantize(_PALETTE)
    few = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    buffer = io.BytesIO()
    few[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=few[1:],
        duration=durations(len(few), fps, _TICK),
        loop=0,
        comment=comment.encode(),
    )
    return buffer.getvalue()


def webp(frames: Sequence[Pixels], fps: float, xmp: str) -> bytes:
    """A WebP without loss that repeats for ever, of frames (S, S, 3).

    Args:
        frames: In their order.
        fps: Frames a second.
        xmp: Metadata packet.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=durations(len(pictures), fps, 1),
        loop=0,
        lossless=True,
        xmp=xmp.encode(),
    )
    return buffer.getvalue()


def mp4(frames: Sequence[Pixels], fps: float) -> bytes:
    """An MP4 in VP9 of frames (S, S, 3); it has no place for metadata of ours.

    Raises:
        DependencyError: This OpenCV cannot write VP9.
    """
    size = frames[0].shape[1::-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "morph.mp4"
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODEC), fps, size
        )
        if not writer.isOpened():
            raise DependencyError(
                "this OpenCV cannot write MP4 in VP9", allowed="opencv-contrib-python's wheel"
            )
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        return path.read_bytes()


def durations(count: int, fps: float, tick: int) -> list[int]:
    """Milliseconds of each frame, multiples of `tick`, that keep the time of each next frame."""
    starts = np.rint(np.arange(count + 1) * 1000 / fps / tick).astype(int) * tick
    return [int(one) for one in np.diff(starts)]
