from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import UnsupportedError
from synfer_core.models import exact
from synfer_core.models.backbone import Generation
from synfer_core.models.text import shared_encoder
from synfer_core.reference import backbone, model
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.model import ReferenceModel
from synfer_core.request import Recipe
from tests.reference import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("reference")
    denoiser, adapter = tiny.pair()
    model.save_prior(tiny.prior(), place / model.PRIOR)
    model.save_denoiser(denoiser, place / model.DENOISER)
    model.save_adapter(adapter, place / model.ADAPTER)
    return place


@pytest.fixture(scope="module")
def made(folder: Path) -> ReferenceBackbone:
    return ReferenceBackbone(ReferenceModel.load(folder), exact.find(128), shared_encoder())


def _image(made: ReferenceBackbone, **fields: object) -> np.ndarray:
    recipe = Recipe.model_validate(
        {"backbone": "exact-reference", "steps": 2, "size": 128, "identity_seed": 3, **fields}
    )
    *_, last = made.stream(made.check(recipe))
    assert isinstance(last, Generation)
    return last.image


def test_equal_recipes_give_equal_pixels(made: ReferenceBackbone) -> None:
    asked = {"aus": {"AU12": 4.0}, "text": "a smile"}
    assert np.array_equal(_image(made, **asked), _image(made, **asked))


def test_units_and_words_change_the_face_and_not_the_corners(made: ReferenceBackbone) -> None:
    still, smile, told = (
        _image(made, facs=""),
        _image(made, aus={"AU12": 5.0}),
        _image(made, facs="", text="an angry face"),
    )
    for other in (smile, told):
        assert not np.array_equal(still, other)
        assert np.array_equal(still[:16, :16], other[:16, :16])


def test_the_reference_is_rendered_once_for_all_expressions(made: ReferenceBackbone) -> None:
    one = Recipe.model_validate({"aus": {"AU12": 4.0}, "size": 128, "identity_seed": 3})
    other = one.model_copy(update={"aus": {"AU4": 2.0}})
    assert made.reference(one) is made.reference(other)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scene": {"framing": "head"}}, "scene.framing"),
        ({"scene": {"background": "transparent"}}, "scene.background"),
        ({"size": 64}, "size"),
        ({"guidance": {"semantic": 2.0}, "expression": "anger"}, "guidance.semantic"),
    ],
)
def test_what_it_cannot_do_is_refused(
    made: ReferenceBackbone, fields: dict[str, object], named: str
) -> None:
    recipe = Recipe.model_validate({"backbone": "exact-reference", **fields})
    with pytest.raises(UnsupportedError) as caught:
        made.check(recipe)
    assert caught.value.field == named


def test_the_weights_are_where_the_variable_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (tmp_path, exact.find(128), shared_encoder())
    monkeypatch.delenv(backbone.VARIABLE, raising=False)
    assert backbone.find(*arguments) is None
    monkeypatch.setenv(backbone.VARIABLE, str(folder))
    found = backbone.find(*arguments)
    assert found is not None
    assert found.capabilities.makes(1024)
