"""Stage `au-directions`: the linear relations between AUs and latents, in closed form."""

from __future__ import annotations

from pathlib import Path

import torch

from synfer_core.facs import AU_SLOTS
from synfer_core.models import au_directions
from synfer_core.models import codec as codecs
from synfer_core.models.au_directions import AUDirections
from synfer_core.training.latents import LatentSet, fit_directions, load_splits


def train(data: Path, models: Path, out: Path) -> dict[str, float]:
    """Fit and write ``au-directions.safetensors`` into `out`.

    Args:
        data: A rendered data set, several images of a person.
        models: Folder with ``codec.safetensors``.
        out: Folder for weights and cached latents.

    Returns:
        Pearson's r between true and read intensity on held-out people, by AU slot.

    Raises:
        DataError: The data set is empty.
        WeightsError: The codec is missing or damaged.
    """
    codec, _ = codecs.load(models / "codec.safetensors")
    samples, held_out = load_splits(data, out, codec)
    directions = fit_directions(samples)
    au_directions.save(directions, out / "au-directions.safetensors")
    figures = correlations(directions, held_out)
    print({name: round(r, 2) for name, r in figures.items()}, flush=True)
    return figures


def correlations(directions: AUDirections, samples: LatentSet) -> dict[str, float]:
    """Pearson's r between true and read intensity, by AU slot; 0 where one never varies."""
    read = directions.read(samples.latents.float())
    pairs = zip(AU_SLOTS, read.T, samples.aus.T, strict=True)
    return {
        name: float(torch.nan_to_num(torch.corrcoef(torch.stack([a, b]))[0, 1]))
        for name, a, b in pairs
    }
