"""How FERAnno looks at a face through the model around a reference.

The picture itself is given as the reference, and a face that does nothing is asked for: what the
denoiser would change is the expression (de-expression residue, Yang, Ciftci and Yin, CVPR 2018,
https://doi.org/10.1109/CVPR.2018.00231). Around itself a picture has the latents z = 0; they are
inverted under one condition for all pictures, all units at 0 and the words that name the eight
expressions, and read are, at each place,

- the clean latents that the denoiser predicts: the change itself, motion and appearance;
- what its blocks put out;
- how much attention each expression's word gets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from synfer_core.facs import AU_SLOTS
from synfer_core.guidance import Denoise
from synfer_core.inversion import invert
from synfer_core.models.denoiser import TRAIN_STEPS
from synfer_core.models.feranno import PROBE, Features, spelled
from synfer_core.models.text import TextEncoder, TextStates
from synfer_core.reference.bases import from_rows
from synfer_core.reference.denoiser import SCHEDULE, ReferenceContext, Words
from synfer_core.reference.mixer import WordMaps
from synfer_core.reference.model import ReferenceModel
from synfer_core.reference.places import on_grid

BLOCKS = 2
"""How many blocks' outputs are read, the last."""


@dataclass(frozen=True)
class ReferenceProbe:
    """A model around a reference, and the one condition under which it looks at every picture.

    Attributes:
        model: The model, its adapter injected.
        text: The words of `PROBE`, encoded.
    """

    model: ReferenceModel
    text: TextStates

    @classmethod
    def build(cls, model: ReferenceModel, encoder: TextEncoder) -> ReferenceProbe:
        """The probe of a model."""
        return cls(model, encoder([PROBE]))

    @property
    def halves(self) -> tuple[int, ...]:
        """The places of a half face that are coded."""
        return self.model.prior.latents.config.places

    def placed(self, taps: int) -> int:
        """All channels but the maps of words: every place has bases and weights of its own."""
        sizes = self.model.denoiser.config
        return taps * (sizes.latents + min(BLOCKS, sizes.blocks) * sizes.width)

    @torch.no_grad()
    def look(self, images: Tensor, steps: int, taps: tuple[int, ...]) -> Features:
        """Features of images (B, 3, S, S) in -1 to 1, zero at places that are not coded.

        Args:
            images: In FaceKit's crop, any S.
            steps: Steps of the sampler that is inverted; 1 looks at once as if at noise alone,
                which the picture survives, for it is the reference.
            taps: Indices, from 0, of the steps whose features are read.
        """
        context = self._context(images)
        seen = list(islice(self._calls(context, len(images), steps), max(taps) + 1))
        layers, maps = zip(*(seen[tap] for tap in taps), strict=True)
        config = self.model.prior.latents.config
        found = torch.cat([*layers, *maps], -1).permute(0, 3, 1, 2)
        return {config.rows: on_grid(config.grid, config.places, found)}

    def _context(self, images: Tensor) -> ReferenceContext:
        """Each picture its own reference, all units at 0, and the probe's words."""
        count = len(images)
        context = self.model.context(images, images.new_zeros(count, len(AU_SLOTS)), still=False)
        rows = torch.arange(count, device=images.device)
        states, mask = (t.to(images.device) for t in (self.text.states, self.text.mask))
        words = Words(states.expand(count, -1, -1), mask.expand(count, -1), rows)
        return replace(context, words=words)

    def _calls(
        self, context: ReferenceContext, count: int, steps: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """For each step the change and the blocks' outputs, and the maps (B, 2, places, n)."""
        denoiser, changes, read = self.model.denoiser, list[Tensor](), WordMaps(kept=BLOCKS)

        def denoise(latents: Tensor, timesteps: Tensor) -> Tensor:
            velocity: Tensor = denoiser(latents, timesteps, context, read)
            alpha, sigma = denoiser.signal(timesteps)
            changes.append((alpha * latents - sigma * velocity) / denoiser.scale)
            return velocity

        itself = context.seen.new_zeros(count, *self.model.prior.latents.shape)
        for _ in _carried(denoise, itself, steps):
            outputs = [from_rows(rows) for rows in read.outputs]
            maps = [self._expressions(looked) for looked in read.maps]
            read.maps.clear()
            yield torch.cat([changes.pop(), *outputs], -1), torch.cat(maps, -1)

    def _expressions(self, looked: Tensor) -> Tensor:
        """Attention (B, 2, places, 8) to the expressions' words, about 1 on average."""
        weights = looked * self.text.mask.sum()
        return torch.stack(
            [weights[..., list(tokens)].mean(-1) for tokens in spelled(self.text)], -1
        )


def _carried(denoise: Denoise, itself: Tensor, steps: int) -> Iterator[object]:
    """One item after each call of the denoiser."""
    if steps > 1:
        yield from invert(denoise, itself, steps, schedule=SCHEDULE)
    else:
        yield denoise(itself, torch.full((len(itself),), TRAIN_STEPS - 1))


@dataclass(frozen=True)
class ReadableReference:
    """A model around a reference as FERAnno's stage wants it.

    Attributes:
        model: The model, its adapter injected.
        encoder: Of words.
    """

    model: ReferenceModel
    encoder: TextEncoder

    def probe(self) -> ReferenceProbe:
        """What looks at pictures."""
        return ReferenceProbe.build(self.model, self.encoder)

    def fingerprint(self) -> str:
        """SHA-256 over all that makes features."""
        return fingerprint(self.model)


def fingerprint(model: ReferenceModel) -> str:
    """SHA-256 over bases, guess, denoiser and adapter, all of which make features."""
    digest = hashlib.sha256()
    for part in (model.prior.latents, model.prior.form, model.denoiser, model.adapter):
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()
