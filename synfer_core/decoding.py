"""Decoding: latents to pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.models.codec import ImageCodec


@torch.no_grad()
def decode(codec: ImageCodec, latents: Tensor) -> NDArray[np.uint8]:
    """Latents (1, C, s, s) as one image (H, W, 3)."""
    image: NDArray[np.uint8] = to_images(codec.decode(latents))[0]
    return image


def to_images(tensor: Tensor) -> NDArray[np.uint8]:
    """float (N, 3, H, W) in -1 to 1 as uint8 (N, H, W, 3)."""
    scaled = tensor.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    images: NDArray[np.uint8] = scaled.byte().permute(0, 2, 3, 1).cpu().numpy()
    return images


def fitted(pixels: Tensor, size: int) -> Tensor:
    """Images (N, 3, H, W) at size x size pixels; those that have it stay as they are."""
    if pixels.shape[2:] == (size, size):
        return pixels
    return F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)


def to_tensor(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) as float (N, 3, H, W) in -1 to 1, channels last in memory."""
    ours = np.require(images, requirements=["C", "W"])  # a picture that nobody may change is copied
    tensor = torch.from_numpy(ours).to(device).permute(0, 3, 1, 2)
    return tensor.float().div(127.5).sub(1.0).contiguous(memory_format=torch.channels_last)
