"""What the person of an image suggests: sex, age and skin tone, as far as they are known."""

from __future__ import annotations

import numpy as np

from synfer_core.facekit import demographics
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.identity import draw_identity, identity_from_code
from synfer_core.models.backbone import Capabilities
from synfer_core.request import Recipe


def columns_of(recipe: Recipe, origin: Capabilities) -> dict[str, str]:
    """The cells of `demographics.COLUMNS` for an image.

    Args:
        recipe: What it was made from.
        origin: Of the backbone that made it; one that keeps no person shows what the words name.
    """
    if origin.identity and recipe.identity_code is not None:
        return demographics.columns(_of_code(recipe))
    seed = recipe.identity_seed
    if seed is None and origin.name == "facekit":  # it draws somebody from the seed
        seed = recipe.seed
    if origin.identity and seed is not None:
        exact = origin.name == "facekit"
        return demographics.columns(demographics.apparent(seed, recipe.words, exact=exact))
    named = attributes_in(recipe.words)
    known = {"sex": named.get("sex"), "age": named.get("age"), "skin_tone": named.get("skin_word")}
    return demographics.columns({k: str(v) for k, v in known.items() if v is not None})


def _of_code(recipe: Recipe) -> dict[str, str]:
    person = identity_from_code(np.array(recipe.identity_code), draw_identity(recipe.seed))
    return {"sex": person.sex, "age": person.age_word, "skin_tone": person.skin.word}
