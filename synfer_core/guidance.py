"""Guidance: functions that wrap a denoiser and return a denoiser.

Classifier-free guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598) with a strength of
its own for words and for AUs, composed as in InstructPix2Pix (Brooks et al. 2023, eq. 3,
https://arxiv.org/abs/2211.09800):

    v = v(0, 0) + w_text (v(text, 0) - v(0, 0)) + w_au (v(text, au) - v(text, 0))
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synfer_core.conditioning import Conditions
from synfer_core.models.attention import Recorder
from synfer_core.models.denoiser import Context, Predictor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Latents (1, C, s, s) and a timestep (1,) to the predicted v (1, C, s, s)."""


def plain(denoiser: Predictor, context: Context, recorder: Recorder | None = None) -> Denoise:
    """The denoiser under one context, without guidance."""

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = denoiser(latents, timestep, context, recorder)
        return output

    return denoise


def branches(conditions: Conditions, text: float, au: float) -> list[tuple[float, Context]]:
    """Weights and contexts of the branches that count; the full one comes last."""
    if not conditions.has_aus:
        parts = [(1 - text, conditions.empty), (text, conditions.full)]
    else:
        parts = [
            (1 - text, conditions.empty),
            (text - au, conditions.full.without_au()),
            (au, conditions.full),
        ]
    return [part for part in parts[:-1] if part[0] != 0] + parts[-1:]


def classifier_free(
    denoiser: Predictor,
    conditions: Conditions,
    *,
    text: float,
    au: float,
    recorder: Recorder | None = None,
) -> Denoise:
    """The denoiser under classifier-free guidance.

    One sample's branches make one call, always of the same size, so what a sample becomes does not
    depend on what else is made beside it.

    Args:
        denoiser: The denoiser, with the AU adapter injected.
        conditions: Contexts of the recipe.
        text: Strength for words, at least 1.
        au: Strength for AUs, at least 1.
        recorder: Records attention of the full branch.
    """
    weights, contexts = zip(*branches(conditions, text, au), strict=True)
    context = Context.cat(list(contexts))
    mix = torch.tensor(weights)[:, None, None, None]

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        rows = len(weights)
        output = denoiser(
            latents.expand(rows, -1, -1, -1), timestep.expand(rows), context, recorder
        )
        mixed: Tensor = (mix * output).sum(0, keepdim=True)
        return mixed

    return denoise
