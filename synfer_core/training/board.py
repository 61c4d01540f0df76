"""Curves and sample images for TensorBoard, beside the plain files that every run writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import DependencyError


class Board:
    """Writes one run for TensorBoard.

    Args:
        folder: Where its files go.
        step: Where the run goes on: what an earlier one wrote from there on is hidden.

    Raises:
        DependencyError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int):
        self.writer = _writer()(str(folder), purge_step=step)

    def curves(self, group: str, values: Mapping[str, float], step: int) -> None:
        """One point of each curve."""
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def pictures(self, name: str, images: NDArray[np.uint8], step: int) -> None:
        """A row of images (N, H, W, 3)."""
        self.writer.add_images(f"samples/{name}", images, step, dataformats="NHWC")

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


def check() -> None:
    """Make sure that TensorBoard is there.

    Raises:
        DependencyError: It is not installed.
    """
    _writer()


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError(
            "TensorBoard is not installed",
            field="--tensorboard",
            allowed="pip install 'synfer-studio[train]'",
        ) from error
    return SummaryWriter
