"""Side by side with exact renders: the model around a reference, on groups of unseen people.

Each row says how far pictures are from the exact render of the same units on the same person in the
same scene, in decibels over the face, the mouth, and eyes and brows. Two rows are baselines that
need no network, two are what the latents and the exact flow would allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synfer_core.decoding import to_images
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.groups import PER_GROUP, GroupSet
from synfer_core.reference import sampling
from synfer_core.reference.model import ReferenceModel
from synfer_core.reference.warp import warp
from synfer_core.training.groups import PairBatch, pairs_of_group
from synfer_core.training.reference_figures import explained, psnr

SAMPLERS = (("one step", 1, 1.0), ("4 steps, half noise", 4, 0.5), ("20 steps", 20, 1.0))
"""Name, steps, and share of the noise at the start."""

COPY, EXACT, LATENTS = "reference", "exact flow", "exact latents"
CLOSED, CLOSED_WARP = "closed form", "closed-form warp"
APART = "two seeds apart"


@dataclass(frozen=True)
class Made:
    """Pictures of some pairs.

    Attributes:
        exact: (B, 3, 128, 128) the target.
        pictures: By how they were made.
        explained: Shares of the latents' energy that are explained, by how, then ``flow`` and
            ``appearance``.
    """

    exact: Tensor
    pictures: dict[str, Tensor]
    explained: dict[str, dict[str, float]]


def pairs_to_neutral(folder: Path, count: int) -> Iterator[PairBatch]:
    """For each of the first `count` groups its seven pictures, with the neutral one as reference.

    Raises:
        DataError: There are no groups.
    """
    groups = GroupSet.open(folder)
    for number in range(min(count, len(groups))):
        yield pairs_of_group(groups[number]).at(torch.arange(PER_GROUP - 1))


@torch.no_grad()
def make(model: ReferenceModel, batch: PairBatch, seed: int = 1) -> Made:
    """All ways to make the targets of a batch from its references."""
    latents = model.prior.latents
    context = model.context(batch.reference, batch.aus)
    true, flow = latents.encode(*batch.pair), latents.config.flow
    moved = context.guess.mean.clone()
    moved[..., flow:] = 0
    found = {CLOSED: context.guess.mean, CLOSED_WARP: moved, LATENTS: true}
    denoise = sampling.plain(model.denoiser, context)
    for name, steps, share in SAMPLERS:
        start = sampling.noise(len(batch), latents.shape, seed, share)
        found[name] = sampling.sampled(denoise, start, steps)
    shares = {
        name: {
            "flow": explained(z[..., :flow], true[..., :flow]),
            "appearance": explained(z[..., flow:], true[..., flow:]),
        }
        for name, z in found.items()
    }
    pictures = {name: latents.decode(batch.reference, z) for name, z in found.items()}
    pictures |= {COPY: batch.reference, EXACT: warp(batch.reference, batch.flow)}
    return Made(batch.target, pictures, shares)


def measure(model: ReferenceModel, folder: Path, count: int) -> dict[str, Any]:
    """Decibels by row and region, over `count` groups; and how far two seeds are apart.

    Raises:
        DataError: There are no groups.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    for batch in pairs_to_neutral(folder, count):
        made = make(model, batch)
        for name, picture in made.pictures.items():
            rows.setdefault(name, []).append(
                psnr(picture, made.exact) | made.explained.get(name, {})
            )
        other = make(model, batch, seed=2).pictures["20 steps"]
        rows.setdefault(APART, []).append(psnr(other, made.pictures["20 steps"].clamp(-1, 1)))
    return {name: _mean(found) for name, found in rows.items()}


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(sum(one[key] for one in found) / len(found), 3) for key in found[0]}


SHOWN = (EXACT, CLOSED, *(name for name, _, _ in SAMPLERS))


def sheet(model: ReferenceModel, folder: Path, first: int, people: int) -> bytes:
    """A JPEG of a few people: the exact render above the ways to make it.

    Raises:
        DataError: There are no groups.
    """
    rows, names = [], []
    for number, batch in enumerate(pairs_to_neutral(folder, first + people)):
        if number < first:
            continue
        made = make(model, batch)
        for name, picture in {"exact": made.exact, **made.pictures}.items():
            if name == "exact" or name in SHOWN[1:]:
                rows.append([to_images(batch.reference[:1])[0], *to_images(picture)])
                names.append(name)
    columns = [str(place) for place in range(PER_GROUP)]
    return contact_sheet(rows, row_names=names, column_names=columns)
