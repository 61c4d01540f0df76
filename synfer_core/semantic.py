"""Semantic guidance: the conditions themselves move towards what reads as the expression asked for.

After SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865, section 3.3): on the way from noise
to image, a classifier reads the clean image predicted so far, and the text embedding takes a step
against the normalised gradient of its loss. With x0 predicted by the full branch alone (words,
person and AUs, without classifier-free guidance), p the probability read off it, e the embedding of
the recipe, r the root mean square length of its tokens and u the way it has gone, in token lengths
and 0 at first:

    x0 = sqrt(a_t) x_t - sqrt(1 - a_t) v(x_t, t, e + r u)
    u <- u - 0.1 * strength * (1 - p(target | x0)) * g / |g|,    g = d(-log p(target | x0)) / du

So the same strength means the same for any text encoder: at 1, a step is a tenth of one token's
length, shared out over all tokens. The factor 1 - p, which the paper has not and which can be
switched off, ends what is already read: a normalised gradient is as long where nothing is left to
gain. Where AU tokens move too, they have their own r and share one |g| with the words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from synfer_core.denoising import predicted_clean
from synfer_core.errors import ModelError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.guidance import Denoise
from synfer_core.models.denoiser import SCHEDULE, TRAIN_STEPS, NoiseSchedule, ddim
from synfer_core.report import GuidancePoint
from synfer_core.request import Recipe

Moves = Mapping[str, Tensor]
"""By part, ``text`` or ``aus``: how far its tokens (B, T, width) have moved, in token lengths."""

STEP = 0.1
"""Length of a step at strength 1, in token lengths."""

_PARTS = {"text": ("text",), "aus": ("aus",), "both": ("text", "aus")}


class Steerable(Protocol):
    """What conditions a denoiser, with tokens that guidance may move."""

    def part(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Tokens (B, T, width) of ``text`` or ``aus``, and which of them count (B, T), if any."""

    def with_part(self, name: str, tokens: Tensor) -> Self:
        """The same with other tokens."""


C = TypeVar("C", bound=Steerable)


class Reader(Protocol):
    """A classifier that guidance may follow: differentiable, and never one of the judges."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def sha256(self) -> str:
        """Hash over what decides its answers."""

    @property
    def expressions(self) -> frozenset[Expression]:
        """The expressions it tells apart."""

    def __call__(self, clean: Tensor) -> Tensor:
        """Logits (B, 8), `facs.EXPRESSIONS` order, of predicted clean latents (B, C, s, s).

        Minus infinity stands for an expression that it does not know.
        """


@dataclass(frozen=True)
class Settings:
    """Where guidance goes, how far and when.

    Attributes:
        target: The expression asked for.
        strength: Length of a step in tenths of a token's length; 0 switches guidance off.
        acts_on: ``text``, ``aus`` or ``both``.
        first, last: Shares of the way from noise to image between which steps are taken.
        every: A step is taken at every k-th call between them.
        fade: Whether steps shorten by the probability already read.
    """

    target: Expression
    strength: float
    acts_on: str
    first: float
    last: float
    every: int
    fade: bool

    @classmethod
    def of(cls, recipe: Recipe) -> Settings:
        """What a recipe asks for; without an expression guidance is off."""
        options = recipe.semantic
        return cls(
            target=recipe.expression or "neutral",
            strength=recipe.guidance.semantic if recipe.expression else 0.0,
            acts_on=options.acts_on,
            first=options.first,
            last=options.last,
            every=options.every,
            fade=options.fade,
        )

    def lengths(self, loss: Tensor) -> Tensor:
        """Lengths (B,) of a step at losses (B,), in token lengths."""
        left = 1 - (-loss).exp() if self.fade else torch.ones_like(loss)
        return STEP * self.strength * left

    def acts(self, timestep: int, call: int) -> bool:
        """Whether a step is taken at a timestep in 0-999, at the call'th call, counted from 0."""
        way = round(1 - (timestep + 1) / TRAIN_STEPS, 6)
        return self.first <= way <= self.last and call % self.every == 0


def semantic_guidance(
    guide: Callable[[C], Denoise],
    denoiser: Callable[[Tensor, Tensor, C], Tensor],
    full: C,
    reader: Reader,
    settings: Settings,
    told: Callable[[GuidancePoint], None],
    schedule: NoiseSchedule = SCHEDULE,
) -> Denoise:
    """A denoiser whose conditions move as it is called; it serves one image, from noise to clean.

    It wraps any guidance that is built from conditions, and where the conditions have got to stays
    for the calls that follow. At strength 0 it is the guided denoiser itself.

    Args:
        guide: Builds the guided denoiser from the context of the full branch, such as
            `guidance.classifier_free` with its strengths.
        denoiser: The denoiser, with the AU adapter injected.
        full: Context of the full branch.
        reader: Reads the expression off predicted clean latents.
        settings: Target, strength and steps.
        told: Hears of each step what was read before it.
        schedule: Of the noise that the denoiser knows.

    Raises:
        ModelError: When called: the reader's answer, or its gradient, cannot be used.
    """
    if settings.strength == 0:
        return guide(full)
    denoise, calls = guide(full), 0
    moves: Moves = still(full, settings.acts_on)
    alphas = ddim(schedule).alphas_cumprod

    def guided(latents: Tensor, timestep: Tensor) -> Tensor:
        nonlocal denoise, calls, moves
        if settings.acts(int(timestep), calls):
            predict = _Prediction(denoiser, full, latents, timestep, alphas[int(timestep)])
            moves, loss = step(predict, moves, reader, settings)
            denoise = guide(moved(full, moves))
            told(GuidancePoint(calls + 1, int(timestep), float(loss), float((-loss).exp())))
        calls += 1
        return denoise(latents, timestep)

    return guided


@dataclass(frozen=True)
class _Prediction:
    """The clean latents (B, C, s, s) that one branch predicts at one step, as its tokens move."""

    denoiser: Callable[[Tensor, Tensor, Any], Tensor]
    context: Steerable
    latents: Tensor
    timestep: Tensor
    alpha: Tensor

    def __call__(self, moves: Moves) -> Tensor:
        velocity = self.denoiser(self.latents, self.timestep, moved(self.context, moves))
        return predicted_clean(self.latents, velocity, self.alpha)


def step(
    predict: Callable[[Moves], Tensor], moves: Moves, reader: Reader, settings: Settings
) -> tuple[Moves, Tensor]:
    """The moves after one step, and the loss (B,) before it: -log p(target).

    Args:
        predict: From moves to predicted clean latents (B, C, s, s).
        moves: Where the conditions have got to.
        reader: Reads the expression.
        settings: Target and strength.

    Raises:
        ModelError: The reader's answer, or its gradient, cannot be used.
    """
    with torch.enable_grad():
        leaves = {part: move.detach().requires_grad_() for part, move in moves.items()}
        logits = read(reader, predict(leaves))
        loss = -logits.float().log_softmax(-1)[:, EXPRESSIONS.index(settings.target)]
        gradients = torch.autograd.grad(loss.sum(), list(leaves.values()), materialize_grads=True)
    ways = directions(gradients, reader.name)
    lengths = settings.lengths(loss.detach())[:, None, None]
    after = {
        part: move - lengths * way for (part, move), way in zip(moves.items(), ways, strict=True)
    }
    return after, loss.detach()


def read(reader: Reader, clean: Tensor) -> Tensor:
    """The reader's logits (B, 8).

    Raises:
        ModelError: There are not eight for each sample, or one is not a number.
    """
    logits = reader(clean)
    if logits.shape != (len(clean), len(EXPRESSIONS)):
        raise ModelError(
            f"answers with the shape {tuple(logits.shape)}",
            field=reader.name,
            allowed=f"{len(EXPRESSIONS)} classes for each image",
        )
    if (logits.isnan() | logits.isposinf()).any():
        raise ModelError("answers with NaN", field=reader.name, allowed="finite logits")
    return logits


def directions(gradients: Sequence[Tensor], name: str) -> list[Tensor]:
    """Gradients (B, ...) of all parts as one direction of length 1 for each sample, in float32.

    A gradient of zero stays zero, and one too small to be squared still has a direction.

    Raises:
        ModelError: A gradient is not finite; `name` is the reader's.
    """
    flat = torch.cat([gradient.float().flatten(1) for gradient in gradients], 1)
    if not flat.isfinite().all():
        raise ModelError("has a gradient that is not finite", field=name)
    least = torch.finfo(torch.float32).tiny
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(least)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(least)
    parts = flat.split([gradient[0].numel() for gradient in gradients], 1)
    return [part.view_as(g) for part, g in zip(parts, gradients, strict=True)]


def still(context: Steerable, acts_on: str) -> Moves:
    """Moves of length 0 for the parts that guidance acts on, as far as the context has them."""
    found = {name: context.part(name) for name in _PARTS[acts_on]}
    return {
        name: torch.zeros_like(part[0], dtype=torch.float32)
        for name, part in found.items()
        if part is not None
    }


def moved(context: C, moves: Moves) -> C:
    """The context with its tokens moved by so many token lengths; the person's stay."""
    for name, move in moves.items():
        part = context.part(name)
        assert part is not None
        context = context.with_part(name, part[0] + length(*part) * move)
    return context


def length(tokens: Tensor, counts: Tensor) -> Tensor:
    """Root mean square length (B, 1, 1) of the tokens (B, T, width) that count (B, T)."""
    squares = tokens.float().square().sum(-1) * counts
    return (squares.sum(1) / counts.sum(1)).sqrt()[:, None, None]
