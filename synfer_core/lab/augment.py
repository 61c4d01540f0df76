"""Augmentation with kornia (Riba et al. 2020, https://arxiv.org/abs/1910.02190).

Recognisers meant for photos must not care for light, pose, sharpness, hands before the face, grey
pictures or compression: ``wide`` varies all of them. ``mild`` is for tests on pictures like those
of the training. ``views`` makes two of one face for self-supervised learning: SimCLR's list
(https://arxiv.org/abs/2002.05709, section 3) with gentler crops, for a mouth cut off is no smile.
Random numbers are torch's own, so `steps.seeded` decides them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from synfer_core.errors import DependencyError

Strength = Literal["none", "mild", "wide"]
STRENGTHS: tuple[Strength, ...] = get_args(Strength)
Augment = Callable[[Tensor], Tensor]


class Some(nn.Module):
    """A change for a random share of a batch, computed for that share alone.

    Args:
        share: 0 to 1.
        change: Takes images (b, 3, S, S) to images of that shape.
    """

    def __init__(self, share: float, change: nn.Module):
        super().__init__()
        self.share = share
        self.change = change

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S)."""
        rows = torch.nonzero(torch.rand(len(images)) < self.share).flatten()
        if not len(rows):
            return images
        return images.index_copy(0, rows, self.change(images[rows]))


class Chain(nn.Module):
    """Changes one after another, for images in -1 to 1 where kornia wants 0 to 1."""

    def __init__(self, *changes: nn.Module):
        super().__init__()
        self.changes = nn.Sequential(*changes)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in -1 to 1."""
        changed = self.changes((images + 1) / 2)
        return cast(Tensor, changed.clamp(0, 1) * 2 - 1)


def augmentation(strength: Strength) -> Augment:
    """What training images (B, 3, S, S) in -1 to 1 go through.

    Raises:
        DependencyError: kornia is missing.
    """
    if strength == "none":
        return lambda images: images
    return mild() if strength == "mild" else wide()


def mild() -> Chain:
    """Small moves, mirrored halves, a little light."""
    k = _kornia()
    return Chain(
        k.RandomHorizontalFlip(p=0.5),
        _affine(k, degrees=8.0, shift=0.05, scale=(0.92, 1.08), shear=0.0),
        k.ColorJiggle(0.15, 0.15, 0.1, 0.0, p=1.0),
    )


def wide() -> Chain:
    """Light, pose, sharpness, occlusion, grey and compression, as photos differ in them."""
    k = _kornia()
    return Chain(
        k.RandomHorizontalFlip(p=0.5),
        _affine(k, degrees=15.0, shift=0.08, scale=(0.85, 1.15), shear=8.0),
        Some(0.2, k.RandomPerspective(0.2, p=1.0)),
        Some(0.8, _light(k, 0.35)),
        Some(0.3, k.RandomLinearIllumination((0.05, 0.3), p=1.0)),
        Some(0.2, k.RandomGrayscale(p=1.0)),
        Some(0.25, _blur(k)),
        Some(0.25, k.RandomErasing((0.02, 0.15), p=1.0, value=0.5)),
        Some(0.2, k.RandomJPEG((10.0, 60.0), p=1.0)),
    )


def views() -> Chain:
    """One of two views of a face; call it twice."""
    k = _kornia()
    return Chain(
        k.RandomHorizontalFlip(p=0.5),
        _affine(k, degrees=10.0, shift=0.12, scale=(0.9, 1.45), shear=0.0),
        Some(0.8, _light(k, 0.4)),
        Some(0.2, k.RandomGrayscale(p=1.0)),
        Some(0.4, _blur(k)),
    )


def _affine(
    k: Any, *, degrees: float, shift: float, scale: tuple[float, float], shear: float
) -> nn.Module:
    """Moves, with the edge repeated where nothing is known."""
    made = k.RandomAffine(
        degrees, (shift, shift), scale, shear or None, p=1.0, padding_mode="border"
    )
    return cast(nn.Module, made)


def _light(k: Any, reach: float) -> nn.Module:
    """Brightness, contrast and saturation, and a tint; turning hues costs four times as much."""
    return nn.Sequential(
        k.ColorJiggle(reach, reach, 0.3, 0.0, p=1.0), k.RandomRGBShift(0.06, 0.06, 0.06, p=1.0)
    )


def _blur(k: Any) -> nn.Module:
    return cast(nn.Module, k.RandomGaussianBlur((5, 5), (0.3, 1.5), p=1.0))


def _kornia() -> Any:
    try:
        import kornia.augmentation
    except ImportError as error:
        raise DependencyError(
            "kornia is not installed", field="kornia", allowed="pip install 'synfer-studio[lab]'"
        ) from error
    return kornia.augmentation
