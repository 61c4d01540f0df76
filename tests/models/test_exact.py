"""The exact renderer as a backbone: whom it renders."""

from __future__ import annotations

import numpy as np
import pytest

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facekit import Identity, draw_identity, identity_code
from synfer_core.facekit.renderer import Renderer
from synfer_core.models.backbone import Generation
from synfer_core.models.exact import ExactBackbone, person_of
from synfer_core.report import Pixels
from synfer_core.request import Recipe

SIZE = 64


def code_of(seed: int) -> tuple[float, ...]:
    return tuple(map(float, identity_code(draw_identity(seed))))


def test_a_code_is_the_person_it_describes() -> None:
    person = person_of(Recipe(identity_code=code_of(5), seed=8))
    assert isinstance(person, Identity)
    np.testing.assert_allclose(identity_code(person), code_of(5), atol=0.05)
    assert person.eyes.colour == draw_identity(5).eyes.colour
    assert person.glasses == draw_identity(8).glasses, "what the code leaves out is the seed's"


def test_a_seed_is_the_person_it_draws() -> None:
    assert person_of(Recipe(identity_seed=3, seed=8)) == 3
    assert person_of(Recipe(seed=8)) == 8


@pytest.fixture(scope="module")
def backbone() -> ExactBackbone:
    return ExactBackbone(Renderer.load(), SIZE)


def rendered(backbone: ExactBackbone, **fields: object) -> Pixels:
    *_, made = backbone.stream(backbone.check(Recipe.parse(fields)))
    assert isinstance(made, Generation)
    return made.image


def test_a_code_of_the_wrong_length_is_refused_before_rendering(backbone: ExactBackbone) -> None:
    with pytest.raises(RequestError) as caught:
        backbone.check(Recipe(identity_code=(0.0, 1.0)))
    assert caught.value.field == "identity_code"
    assert "finite numbers" in (caught.value.allowed or "")
    with pytest.raises(UnsupportedError, match="weights"):
        backbone.check(Recipe(weights_sha256="0" * 64))


def test_code_and_seed_show_the_same_person(backbone: ExactBackbone) -> None:
    smile = {"aus": {"AU12": 4.0}, "seed": 5}
    by_seed = rendered(backbone, identity_seed=5, **smile).astype(float)
    by_code = rendered(backbone, identity_code=code_of(5), **smile).astype(float)
    other = rendered(backbone, identity_code=code_of(6), **smile).astype(float)
    assert np.abs(by_code - by_seed).mean() < 2.0
    assert np.abs(other - by_seed).mean() > 10.0


def test_an_edit_is_refused_by_name(backbone: ExactBackbone) -> None:
    assert not backbone.capabilities.editing
    with pytest.raises(UnsupportedError, match="reference: the exact renderer cannot edit"):
        backbone.check(Recipe(backbone="facekit", reference="sample:ada"))
