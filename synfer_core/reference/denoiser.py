"""The denoiser around a reference: noisy latents, the reference, words and units to v."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from synfer_core.models.denoiser import TRAIN_STEPS, NoiseSchedule, ddim
from synfer_core.reference import gaussian
from synfer_core.reference.bases import from_rows, to_rows
from synfer_core.reference.gaussian import Guess
from synfer_core.reference.mixer import (
    Block,
    MixerConfig,
    NoiseLevel,
    PlaceLinear,
    WordMaps,
    WordReading,
)
from synfer_core.reference.units import UnitAdapter, UnitConfig, UnitInput

SCHEDULE: NoiseSchedule = MappingProxyType(
    {
        "num_train_timesteps": TRAIN_STEPS,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
)
"""Cosine (Nichol and Dhariwal 2021, https://arxiv.org/abs/2102.09672), ending in pure noise."""

_LEVEL = 16
"""Numbers of the gate that tell the noise level; the others tell the person."""


@dataclass(frozen=True)
class Words:
    """Token states of prompts.

    Attributes:
        states: (W, T, width).
        mask: (W, T) bool, false where padded.
        rows: (W,) which samples have these words; none may come twice.
    """

    states: Tensor
    mask: Tensor
    rows: Tensor


@dataclass(frozen=True)
class ReferenceContext:
    """What conditions a call of the denoiser.

    Attributes:
        guess: What is known of the latents before, see `gaussian`.
        seen: (B, 2, places, 2 code) the reference's code, and that of the reference moved by the
            guess.
        person: (B, 2, person) the reference as a whole, from each half.
        units: Action units, if any act.
        words: Words, if there are any.
    """

    guess: Guess
    seen: Tensor
    person: Tensor
    units: UnitInput | None = None
    words: Words | None = None

    def part(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Words, or the units of each half as one token, for `semantic` to move.

        Units are summed before they gate, so to move each unit's token is to move their sum.
        """
        if name == "text":
            return None if self.words is None else (self.words.states, self.words.mask)
        if self.units is None:
            return None
        tokens = self.units.code.unflatten(0, (2, -1)).transpose(0, 1)
        return tokens, tokens.new_ones(tokens.shape[:2])

    def with_part(self, name: str, tokens: Tensor) -> ReferenceContext:
        """The same with other words or units."""
        if name == "text":
            assert self.words is not None
            return replace(self, words=replace(self.words, states=tokens))
        assert self.units is not None
        code = tokens.transpose(0, 1).flatten(0, 1)
        return replace(self, units=replace(self.units, code=code))


class ReferenceDenoiser(nn.Module):
    """The mixer, between input and output layers of each place."""

    scale: Tensor
    alphas: Tensor

    def __init__(self, config: MixerConfig):
        super().__init__()
        self.config = config
        inputs = 2 * config.latents + 2 * config.code
        self.input = PlaceLinear(config.places, inputs, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.readings = nn.ModuleDict({str(b): WordReading(config) for b in config.reading})
        self.words = nn.Linear(config.word_width, config.words)
        self.level = NoiseLevel(_LEVEL)
        self.person = nn.Linear(config.person, config.gate - _LEVEL)
        self.norm = nn.LayerNorm(config.width)
        self.output = PlaceLinear(config.places, config.width, config.latents, zero=True)
        self.register_buffer("scale", torch.ones(config.places, config.latents))
        alphas = ddim(SCHEDULE).alphas_cumprod
        self.register_buffer("alphas", alphas, persistent=False)
        self._adapter: tuple[UnitAdapter, ...] = ()

    def put(self, adapter: UnitAdapter | None) -> None:
        """Let an adapter act, or none; it is no part of this module."""
        self._adapter = () if adapter is None else (adapter,)

    def unit_config(self, **sizes: Any) -> UnitConfig:
        """Sizes of an adapter that fits."""
        config = self.config
        fixed = (config.places, config.latents, config.hidden, config.blocks)
        return UnitConfig(*fixed, **sizes)

    def signal(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma (B, 1, 1, 1) at timesteps (B,) in 0-999."""
        squared = self.alphas[timesteps].view(-1, 1, 1, 1)
        return squared.sqrt(), (1 - squared).sqrt()

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        context: ReferenceContext,
        recorder: WordMaps | None = None,
    ) -> Tensor:
        """Predicted v (B, 2, places, n) of noisy latents at timesteps (B,) in 0-999."""
        alpha, sigma = self.signal(timesteps)
        left = self.left_over(latents, timesteps, context, recorder)
        return gaussian.velocity(context.guess, latents, alpha, sigma, left)

    def left_over(
        self,
        latents: Tensor,
        timesteps: Tensor,
        context: ReferenceContext,
        recorder: WordMaps | None = None,
    ) -> Tensor:
        """What is left to predict after the guess: see `gaussian`."""
        alpha, sigma = self.signal(timesteps)
        noisy = gaussian.whitened(context.guess, latents, alpha, sigma)
        mean = (context.guess.mean / self.scale).expand_as(noisy)
        rows = self.input(to_rows(torch.cat([noisy, mean, context.seen], -1)))
        level = self.level(gaussian.noise_level(alpha, sigma).flatten())
        person = self.person(context.person.transpose(0, 1).flatten(0, 1))
        gates = torch.cat([level.repeat(2, 1), person], -1)
        return from_rows(self._mixed(rows, gates, context, recorder))

    def _mixed(
        self, rows: Tensor, gates: Tensor, context: ReferenceContext, recorder: WordMaps | None
    ) -> Tensor:
        adapter = self._adapter[0] if self._adapter and context.units is not None else None
        words, units = context.words, context.units
        states = None if words is None else self.words(words.states)
        for number, block in enumerate(self.blocks):
            if states is not None and words is not None and str(number) in self.readings:
                rows = self._read(number, rows, states, words, recorder)
            added = adapter.gate(number, units) if adapter and units else None
            rows = block(rows, gates, added)
            if recorder is not None:
                recorder.put_out(rows)
        output: Tensor = self.output(self.norm(rows))
        return output + adapter.direct(units) if adapter and units else output

    def _read(
        self, number: int, rows: Tensor, states: Tensor, words: Words, recorder: WordMaps | None
    ) -> Tensor:
        """Let the samples that have words read them."""
        count = rows.shape[1] // 2
        both = torch.cat([words.rows, words.rows + count])
        found = self.readings[str(number)](rows[:, both], states, words.mask, recorder)
        return rows.index_add(1, both, found)
