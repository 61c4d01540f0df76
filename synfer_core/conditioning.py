"""Conditioning: what a recipe's words, AUs and person are to the denoisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synfer_core.enrichment import class_phrase
from synfer_core.errors import RequestError
from synfer_core.facekit.action_units import scored_slots
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.identity import CODE_SIZE, IDENTITY_GROUPS, sample_code
from synfer_core.models.denoiser import Context
from synfer_core.request import Recipe

_CODE_TRAITS = frozenset(
    {"sex", "age", "skin_word", "eye_colour", "hair", "hair_colour", "beard", "freckles"}
)


@dataclass(frozen=True)
class Conditions:
    """Contexts of one recipe.

    Attributes:
        full: Words, AUs, and the person of a picture.
        empty: The negative text, the person, no AUs.
        has_aus: Whether AUs act at all.
        words: The words with their token positions, for attention maps.
    """

    full: Context
    empty: Context
    has_aus: bool
    words: tuple[tuple[str, tuple[int, ...]], ...]


def prompt_of(recipe: Recipe) -> str:
    """The words that the denoiser reads: the text, and the expression as a class phrase.

    An enriched text stands for both, as it is.
    """
    if recipe.enriched_text is not None:
        return recipe.enriched_text.strip()
    phrase = class_phrase(recipe.expression) if recipe.expression else ""
    return ", ".join(part for part in (recipe.text.strip(), phrase) if part)


def sets_aus(recipe: Recipe) -> bool:
    """Whether the recipe says anything of AUs.

    One AU given makes all others absent, also at 0, so ``{"AU12": 0}`` is a neutral face; none
    given leaves the face to the words.
    """
    return bool(recipe.aus) or recipe.facs is not None


def identity_code(recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The person as (1, CODE_SIZE), and which groups of the code count (1, groups).

    A seed draws a person; traits that the words name override what the seed drew.

    Raises:
        RequestError: `identity_code` has the wrong length.
    """
    known = torch.ones(1, len(IDENTITY_GROUPS))
    if recipe.identity_code is not None:
        if len(recipe.identity_code) != CODE_SIZE:
            raise RequestError(
                f"has {len(recipe.identity_code)} numbers",
                field="identity_code",
                allowed=f"{CODE_SIZE} numbers",
            )
        return torch.tensor([recipe.identity_code]), known
    if recipe.identity_seed is None:
        return torch.zeros(1, CODE_SIZE), torch.zeros_like(known)
    code = sample_code(recipe.identity_seed, **traits_in(recipe.words))
    return torch.from_numpy(np.asarray(code, np.float32))[None], known


def traits_in(text: str) -> dict[str, Any]:
    """Traits of a person that the words name and the identity code holds."""
    return {k: v for k, v in attributes_in(text).items() if k in _CODE_TRAITS}


def au_target(recipe: Recipe) -> Tensor:
    """The AUs that the image is to show, (1, 36) in 0-1; see `action_units.scored_slots`."""
    return torch.tensor([scored_slots(recipe.action_units)])
