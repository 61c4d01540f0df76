"""Stage R2: the denoiser around a reference and its AU adapter, together.

Both learn v of noisy latents (see `reference.gaussian`) from pairs of pictures, whose latents are
worked out once and kept in memory. Units and words are dropped from samples apart from each other,
for classifier-free guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from typing import cast

import torch
from torch import Tensor, nn

from synfer_core.models.denoiser import TRAIN_STEPS
from synfer_core.models.text import shared_encoder
from synfer_core.reference import gaussian, model, sampling
from synfer_core.reference.closed_form import ClosedForm
from synfer_core.reference.denoiser import ReferenceContext, ReferenceDenoiser
from synfer_core.reference.gaussian import Guess
from synfer_core.reference.mixer import MixerConfig
from synfer_core.reference.model import Prior
from synfer_core.reference.units import UnitAdapter
from synfer_core.training.coded_pairs import CodedPairs, load_coded
from synfer_core.training.groups import PairBatch, pairs_in
from synfer_core.training.loop import Loop, Losses, Schedule
from synfer_core.training.reference_figures import by_region, explained
from synfer_core.training.reference_fit import steepness
from synfer_core.training.tints import Tints

_FIRST = TRAIN_STEPS - 1
TOKEN_RATE = 3.0
"""How much faster tokens of units learn than all else: few samples move each of them."""


@dataclass(frozen=True)
class ReferenceTraining:
    """Settings of the stage.

    Attributes:
        batch: Samples a step.
        worded: Share of samples that have words.
        words_alone: Share of these in which words alone decide.
        nothing: Share of the others in which nothing tells the expression.
        pure: Share of samples that are noise alone, where sampling starts.
        emphasis: Power of what a latent moves by which its error counts.
        evening: Power by which places that move much count less.
        checked: Validation pairs that pictures are made of.
    """

    batch: int = 160
    worded: float = 0.2
    words_alone: float = 0.3
    nothing: float = 0.06
    pure: float = 0.3
    emphasis: float = 1.5
    evening: float = 0.25
    checked: int = 64


class ReferencePair(nn.Module):
    """A denoiser and its adapter, injected: one module to average and to save."""

    def __init__(self, denoiser: ReferenceDenoiser, adapter: UnitAdapter):
        super().__init__()
        self.denoiser = denoiser
        self.adapter = adapter

    def forward(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        context: ReferenceContext,
        aus: Tensor,
        scale: Tensor,
    ) -> Tensor:
        """What is left to predict, units (B, 36) in 0-1 acting at `scale` (B,)."""
        self.adapter.inject(self.denoiser)
        context = replace(context, units=self.adapter(aus, scale))
        left = self.denoiser.left_over(noisy, timesteps, context)
        self.adapter.eject(self.denoiser)
        return left


@dataclass(frozen=True)
class _Draw:
    """One random batch.

    Attributes:
        clean: (B, 2, places, n) latents of the targets.
        aus: (B, 36) in 0-1.
        acting: (B,) 1 where units are told, 0 where they are not.
        context: All but the units.
    """

    clean: Tensor
    aus: Tensor
    acting: Tensor
    context: ReferenceContext


def draw(
    pairs: CodedPairs,
    form: ClosedForm,
    tints: Tints,
    config: ReferenceTraining,
    generator: torch.Generator,
) -> _Draw:
    """Random pairs, each in another light, the first with words; what is told is drawn too."""
    with_words = round(config.batch * config.worded)
    which = torch.randint(len(pairs.worded), (with_words,), generator=generator)
    others = torch.randint(len(pairs), (config.batch - with_words,), generator=generator)
    rows = torch.cat([pairs.worded[which], others])
    silent = torch.full((config.batch,), config.nothing)
    silent[:with_words] = config.words_alone
    acting = (torch.rand(config.batch, generator=generator) >= silent).float()
    gains, aus = tints.draw(config.batch, generator), pairs.aus[rows].float()
    code, moved = (tints.codes(gains, part[rows].float()) for part in (pairs.code, pairs.moved))
    context = context_of(form, code, moved, pairs.still[rows], aus, acting)
    clean = tints.latents(gains, pairs.latents[rows].float())
    return _Draw(clean, aus, acting, replace(context, words=pairs.words(which)))


def context_of(
    form: ClosedForm, code: Tensor, moved: Tensor, still: Tensor, aus: Tensor, acting: Tensor
) -> ReferenceContext:
    """What conditions pairs, without units and words; the guess knows the units that act."""
    on = acting.view(-1, 1, 1, 1)
    with torch.no_grad():
        person = form.person(code, still)
        informed = form.guess(person, aus)
    deviation = on * informed.deviation + (1 - on) * form.spread
    guess = Guess(informed.mean * on, deviation)
    seen = torch.cat([code, torch.where(on > 0, moved, code)], -1)
    return ReferenceContext(guess, seen, person)


def reference_loss(
    pairs: CodedPairs,
    form: ClosedForm,
    tints: Tints,
    pair: ReferencePair,
    weights: Tensor,
    config: ReferenceTraining,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of what is left over, weighted by place and number (places, n)."""
    batch = draw(pairs, form, tints, config, generator)
    clean = batch.clean
    timesteps = _timesteps(config, generator)
    alpha, sigma = pair.denoiser.signal(timesteps)
    noise = torch.randn(clean.shape, generator=generator)
    noisy = alpha * clean + sigma * noise
    wanted = gaussian.left_over(
        batch.context.guess, noisy, alpha, sigma, alpha * noise - sigma * clean
    )
    left = pair(noisy, timesteps, batch.context, batch.aus, batch.acting)
    loss: Tensor = ((left - wanted).square() * weights).mean()
    return loss


def _timesteps(config: ReferenceTraining, generator: torch.Generator) -> Tensor:
    """Timesteps (B,): some of pure noise, the others with a leaning to much noise."""
    share = torch.rand(config.batch, generator=generator) ** 0.6
    share[: round(config.batch * config.pure)] = 1.0
    order = torch.randperm(config.batch, generator=generator)
    return (share * _FIRST).round().long()[order]


def importance(prior: Prior, steep: Tensor, config: ReferenceTraining) -> Tensor:
    """Weights (places, n) of mean 1 over what is kept: what a latent's error moves in pixels."""
    latents, flow = prior.latents, prior.latents.config.flow
    moves = prior.form.deviation * latents.unit
    moves = torch.cat([moves[:, :flow] * steep[:, None], moves[:, flow:]], 1) * latents.kept
    whole = moves.square().sum(1, keepdim=True)
    weights = moves**config.emphasis / whole**config.evening
    return weights / weights.mean()


def train(
    config: ReferenceTraining,
    schedule: Schedule,
    data: Path,
    checked: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    limit: int | None = None,
) -> None:
    """Train both; write ``reference-denoiser`` and ``reference-adapter.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A folder of groups.
        checked: A folder of groups of other people, to validate on.
        models: Folder with ``reference-prior.safetensors``; latents are cached in it.
        out: Folder for state, log and weights, the prior among them.
        resume: Go on from the state in `out`.
        start: Folder of weights to start from, as of a run on fewer groups.
        limit: Use at most so many pairs.

    Raises:
        DataError: There are no groups.
        WeightsError: The prior is missing or damaged.
    """
    prior, fingerprint = model.load_prior(models / model.PRIOR)
    cached = (prior, fingerprint)
    pairs = load_coded(*cached, data, models / "cache", shared_encoder, limit=limit)
    checks = Checks.build(config, prior, checked)
    torch.manual_seed(schedule.seed)
    pair = fresh(prior) if start is None else loaded(start)
    out.mkdir(parents=True, exist_ok=True)
    copyfile(models / model.PRIOR, out / model.PRIOR)
    loop = Loop(pair, schedule, out, resume=resume, factors={"adapter.tokens.": TOKEN_RATE})
    steep = steepness(prior.latents, lambda: [checks.batch])
    weights = importance(prior, steep, config)
    tints = Tints.of(prior.latents)

    def losses(generator: torch.Generator) -> Losses:
        return {"total": reference_loss(pairs, prior.form, tints, pair, weights, config, generator)}

    def measure() -> Mapping[str, float]:
        averaged = cast(ReferencePair, loop.averaged.module)
        model.save_denoiser(averaged.denoiser, out / model.DENOISER)
        model.save_adapter(averaged.adapter, out / model.ADAPTER)
        return checks.figures(averaged)

    loop.run(losses, measure)


def fresh(prior: Prior, **sizes: int) -> ReferencePair:
    """A denoiser and an adapter that fit a prior; they add nothing to the guess yet."""
    latents, form = prior.latents.config, prior.form.config
    fixed = (len(latents.places), latents.numbers, latents.code, form.person)
    denoiser = ReferenceDenoiser(MixerConfig(*fixed, **sizes))  # type: ignore[arg-type]
    denoiser.scale.copy_(prior.form.spread)
    return ReferencePair(denoiser, UnitAdapter(denoiser.unit_config()))


def loaded(folder: Path) -> ReferencePair:
    """The denoiser and adapter of an earlier run, to be trained further.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    denoiser, _ = model.load_denoiser(folder / model.DENOISER)
    adapter, _ = model.load_adapter(folder / model.ADAPTER)
    return ReferencePair(denoiser.train(), adapter.train())


@dataclass(frozen=True)
class Checks:
    """Validation pairs, of people that training does not see.

    Attributes:
        prior: Bases and guess.
        batch: The pairs.
        latents: Of them.
        context: All but the units.
    """

    prior: Prior
    batch: PairBatch
    latents: Tensor
    context: ReferenceContext

    @classmethod
    @torch.no_grad()
    def build(cls, config: ReferenceTraining, prior: Prior, data: Path) -> Checks:
        """The first pairs whose reference is neutral.

        Raises:
            DataError: There are none.
        """
        found = PairBatch.cat(list(pairs_in(data, limit=4 * config.checked)))
        still = found.still.nonzero()[:, 0]
        batch = found.at(still[: config.checked])
        code = prior.latents.look(batch.reference)
        person = prior.form.person(code, batch.still)
        guess = prior.form.guess(person, batch.aus)
        moved = prior.latents.look_moved(batch.reference, guess.mean)
        context = ReferenceContext(guess, torch.cat([code, moved], -1), person)
        return cls(prior, batch, prior.latents.encode(*batch.pair), context)

    @torch.no_grad()
    def figures(self, pair: ReferencePair) -> dict[str, float]:
        """What one step, four from half the noise, and twenty from all of it reach."""
        pair.eval()
        pair.adapter.inject(pair.denoiser)
        context = replace(self.context, units=pair.adapter(self.batch.aus, self._ones))
        denoise = sampling.plain(pair.denoiser, context)
        found: dict[str, float] = {}
        for name, steps, share in (("mean", 1, 1.0), ("4", 4, 0.5), ("20", 20, 1.0)):
            start = sampling.noise(len(self.latents), self.prior.latents.shape, 1, share)
            found |= self._of(sampling.sampled(denoise, start, steps), name)
        pair.adapter.eject(pair.denoiser)
        return found

    @property
    def _ones(self) -> Tensor:
        return torch.ones(len(self.latents))

    def _of(self, made: Tensor, name: str) -> dict[str, float]:
        flow = self.prior.latents.config.flow
        picture = self.prior.latents.decode(self.batch.reference, made)
        decibels = {f"{k}_{name}": v for k, v in by_region(picture, self.batch.target).items()}
        return decibels | {
            f"flow_{name}": explained(made[..., :flow], self.latents[..., :flow]),
            f"appearance_{name}": explained(made[..., flow:], self.latents[..., flow:]),
        }
