from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synfer_core.drafts import STEPS, Draft, draft_of
from synfer_core.errors import UnsupportedError
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.report import Progress
from synfer_core.request import Guidance, Recipe
from synfer_core.synthesizer import Synthesizer

ASKED = Recipe(text="a woman", aus={"AU12": 4.0}, expression="happiness", seed=3, identity_seed=7)


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


def test_a_draft_asks_for_the_same_face_in_fewer_steps() -> None:
    assert draft_of(ASKED) == ASKED.model_copy(update={"steps": STEPS, "scheduler": "dpm++"})
    assert draft_of(ASKED.model_copy(update={"steps": 2})).steps == 2


def test_a_draft_is_not_guided_by_a_classifier() -> None:
    guidance = Guidance(text=2.0, semantic=5.0)
    guided = ASKED.model_copy(update={"guidance": guidance, "weights_sha256": "a" * 64})
    draft = draft_of(guided)
    assert (draft.guidance.text, draft.guidance.semantic) == (2.0, 0.0)
    assert draft.weights_sha256 is None


def test_a_draft_is_the_picture_of_its_recipe_alone(synthesizer: Synthesizer) -> None:
    *steps, draft = synthesizer.draft(ASKED)
    assert isinstance(draft, Draft)
    assert [step.preview for step in steps if isinstance(step, Progress)] == [None] * (1 + STEPS)
    *_, made = synthesizer.backbones["builtin"].stream(draft.recipe)
    assert isinstance(made, Generation)
    assert np.array_equal(draft.image, made.image)
    assert made.attention.mass


class Slow:
    """A backbone that makes no drafts."""

    def __init__(self, model: ReferenceBackbone):
        self.check, self.stream = model.check, model.stream
        self.capabilities: Capabilities = replace(model.capabilities, drafts=False)


def test_a_backbone_that_makes_no_drafts_says_so(synthesizer: Synthesizer) -> None:
    model = synthesizer.backbones["builtin"]
    assert isinstance(model, ReferenceBackbone)
    other = replace(synthesizer, backbones={"slow": Slow(model), "builtin": model})
    with pytest.raises(UnsupportedError, match="makes no drafts") as error:
        next(iter(other.draft(ASKED.model_copy(update={"backbone": "slow"}))))
    assert error.value.allowed == "builtin"
