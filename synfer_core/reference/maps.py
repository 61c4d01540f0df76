"""Where words were read, and what each action unit did to the picture.

A word's map is the attention that places paid to it (Hertz et al. 2022,
https://arxiv.org/abs/2208.01626). Units gate places instead of being looked at, so a unit's map is
exact: the picture with all units less the picture without this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.facs import AU_SLOTS, slots_of
from synfer_core.reference.latents import Latents
from synfer_core.reference.mixer import WordMaps
from synfer_core.reference.places import on_grid

UNIT_MAP = 32
"""Places on a side of a unit's map."""

Maps = dict[str, NDArray[np.float32]]
Pictures = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) of one person under action units (B, slots) in 0-1."""


def word_maps(
    recorder: WordMaps, latents: Latents, words: Sequence[tuple[str, tuple[int, ...]]]
) -> Maps:
    """For each word, named as in `report.AttentionMaps`, where its tokens were read (8, 8).

    Marks of punctuation are no words.
    """
    mean = recorder.mean
    if mean is None:
        return {}
    looked = on_grid(latents.config.grid, latents.config.places, mean)
    return {
        f"word:{index}:{word}": looked[list(tokens)].mean(0).numpy()
        for index, (word, tokens) in enumerate(words)
        if any(letter.isalnum() for letter in word)
    }


@torch.no_grad()
def unit_maps(pictures: Pictures, aus: Tensor, asked: Mapping[str, float]) -> Maps:
    """For each unit asked for, how much the picture changes when it is switched off (32, 32).

    Args:
        pictures: Makes the pictures, all from the same noise.
        aus: (1, slots) in 0-1, all units together.
        asked: AU keys of the recipe.
    """
    if not asked:
        return {}
    rows = aus.repeat(1 + len(asked), 1)
    for row, key in enumerate(asked, 1):
        rows[row, [AU_SLOTS.index(slot) for slot in slots_of(key)]] = 0
    whole, *without = pictures(rows).split(1)
    return {key: _change(whole, other) for key, other in zip(asked, without, strict=True)}


def _change(picture: Tensor, other: Tensor) -> NDArray[np.float32]:
    change = (picture - other).abs().mean(1, keepdim=True)
    found: NDArray[np.float32] = F.adaptive_avg_pool2d(change, UNIT_MAP)[0, 0].numpy()
    return found
