"""Classifier-free guidance around a reference, for words and for action units.

With a strength of its own for each, composed as in InstructPix2Pix (Brooks et al. 2023, eq. 3,
https://arxiv.org/abs/2211.09800; Ho and Salimans 2022, https://arxiv.org/abs/2207.12598):

    v = v(0, 0) + w_text (v(words, 0) - v(0, 0)) + w_au (v(words, units) - v(words, 0))

Around a reference the units matter most and words little, so where units are asked for and both
strengths are 1 a single call remains.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from synfer_core.guidance import Denoise
from synfer_core.reference.denoiser import ReferenceContext, ReferenceDenoiser
from synfer_core.reference.mixer import WordMaps

Spelled = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Branches:
    """What a recipe asks for, and the same with less of it; a single sample each.

    Attributes:
        full: Words and units.
        words: Words alone; None where no units are asked for.
        empty: Neither.
        spelled: The words with their token positions, for attention maps.
    """

    full: ReferenceContext
    words: ReferenceContext | None
    empty: ReferenceContext
    spelled: Spelled = ()


def weighted(branches: Branches, text: float, au: float) -> list[tuple[float, ReferenceContext]]:
    """Weights and contexts of the branches that count; the full one comes last."""
    if branches.words is None:
        parts = [(1 - text, branches.empty), (text, branches.full)]
    else:
        parts = [(1 - text, branches.empty), (text - au, branches.words), (au, branches.full)]
    return [part for part in parts[:-1] if part[0] != 0] + parts[-1:]


def classifier_free(
    denoiser: ReferenceDenoiser,
    branches: Branches,
    *,
    text: float,
    au: float,
    recorder: WordMaps | None = None,
) -> Denoise:
    """The denoiser under classifier-free guidance.

    Args:
        denoiser: The denoiser, with the adapter injected.
        branches: What is asked for.
        text: Strength for words, at least 1.
        au: Strength for units, at least 1.
        recorder: Records where the full branch reads words.
    """
    *others, (weight, full) = weighted(branches, text, au)

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        mixed: Tensor = weight * denoiser(latents, timestep, full, recorder)
        for share, context in others:
            mixed = mixed + share * denoiser(latents, timestep, context)
        return mixed

    return denoise
