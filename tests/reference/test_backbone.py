from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core import editing
from synfer_core.decoding import to_images
from synfer_core.errors import UnsupportedError
from synfer_core.models import classifier, exact, guides
from synfer_core.models.backbone import Generation
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.text import shared_encoder
from synfer_core.reference import backbone, model
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.model import ReferenceModel
from synfer_core.request import Recipe
from tests.reference import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("reference")
    tiny.write(place)
    return place


@pytest.fixture(scope="module")
def made(folder: Path) -> ReferenceBackbone:
    return ReferenceBackbone(ReferenceModel.load(folder), exact.find(128), shared_encoder())


def _made(made: ReferenceBackbone, **fields: object) -> Generation:
    recipe = Recipe.model_validate(
        {"backbone": "builtin", "steps": 2, "size": 128, "identity_seed": 3, **fields}
    )
    *_, last = made.stream(made.check(recipe))
    assert isinstance(last, Generation)
    return last


def _image(made: ReferenceBackbone, **fields: object) -> np.ndarray:
    return _made(made, **fields).image


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
    assert made.canvas(one) is made.canvas(other)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scene": {"framing": "head"}}, "scene.framing"),
        ({"size": 64}, "size"),
        ({"guidance": {"semantic": 2.0}, "expression": "anger"}, "semantic.classifier"),
    ],
)
def test_what_it_cannot_do_is_refused(
    made: ReferenceBackbone, fields: dict[str, object], named: str
) -> None:
    recipe = Recipe.model_validate({"backbone": "builtin", **fields})
    with pytest.raises(UnsupportedError) as caught:
        made.check(recipe)
    assert caught.value.field == named


def test_a_transparent_background_moves_with_the_person(made: ReferenceBackbone) -> None:
    asked = {"aus": {"AU12": 5.0}, "scene": {"background": "transparent"}}
    generation = _made(made, **asked)
    assert generation.alpha is not None
    assert generation.alpha[0, 0] == 0
    assert generation.alpha[64, 64] == 255
    assert (generation.image[generation.alpha == 0] == 255).all()


def test_a_plain_background_keeps_its_colour_exactly(made: ReferenceBackbone) -> None:
    plain, cover = (
        _made(made, aus={"AU27": 5.0}, scene={"background": kind})
        for kind in ("#204060", "transparent")
    )
    assert plain.alpha is None
    assert cover.alpha is not None
    assert (plain.image[cover.alpha == 0] == (0x20, 0x40, 0x60)).all()


def test_glasses_stay_as_they_are_when_the_face_moves(made: ReferenceBackbone) -> None:
    scene = {"glasses": "round", "background": "#808080"}
    asked = {"scene": scene, "variation": 0.0}
    worn, bare = (
        made.canvas(Recipe.model_validate({"size": 128, "identity_seed": 3, "scene": one}))
        for one in (scene, scene | {"glasses": "none"})
    )
    assert bare.worn is None
    assert torch.equal(worn.picture, bare.picture)
    assert worn.worn is not None
    frame = ((worn.worn - worn.picture).abs().amax(1) > 0.35)[0].numpy()
    assert 50 < frame.sum() < 1500
    seen = to_images(worn.worn)[0][frame]
    for aus in ({"AU6": 5.0, "AU12": 5.0}, {"AU1": 5.0, "AU2": 5.0}):
        assert np.abs(_image(made, aus=aus, **asked)[frame].astype(int) - seen).max() <= 1


def test_maps_tell_words_and_units_apart(made: ReferenceBackbone) -> None:
    found = _made(made, aus={"AU12": 4.0, "AUL2": 3.0}, text="a happy face").attention.mass
    assert {"AU12", "AUL2", "word:0:a", "word:1:happy", "word:2:face"} == set(found)
    assert found["AUL2"].shape == (32, 32)
    assert found["word:1:happy"].shape == (8, 8)
    assert all(values.min() >= 0 for values in found.values())


def test_a_units_map_is_where_the_picture_changes_without_it(made: ReferenceBackbone) -> None:
    asked = {"variation": 0.0, "steps": 1}
    both = _made(made, aus={"AU12": 4.0, "AU1": 5.0}, **asked)
    without = _image(made, aus={"AU12": 4.0}, **asked)
    change = np.abs(both.image.astype(float) - without).mean(-1)
    blocks = change.reshape(32, 4, 32, 4).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), both.attention.mass["AU1"].ravel())[0, 1] > 0.95


def test_no_variation_is_the_same_for_all_seeds_of_noise(made: ReferenceBackbone) -> None:
    one, other = (made._noise(Recipe(seed=seed, variation=0.0)) for seed in (1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(made._noise(Recipe(seed=1)), made._noise(Recipe(seed=2)))


def test_an_edit_starts_from_the_picture_and_inverts_it(made: ReferenceBackbone) -> None:
    face = _image(made, facs="")
    asked = {"reference": editing.reference_of(face), "steps": 4, "size": None}
    kept = _made(made, **asked, aus={"AU12": 0.0}, reference_aus={"AU12": 0.0})
    assert np.array_equal(kept.image, face)
    assert kept.reconstruction_psnr is not None
    assert kept.reconstruction_psnr > 40
    smile = _made(made, **asked, aus={"AU12": 5.0}, reference_aus={"AU12": 0.0})
    assert not np.array_equal(smile.image, face)
    assert np.array_equal(smile.image[:16, :16], face[:16, :16])


def test_a_reference_of_another_size_is_refused(made: ReferenceBackbone) -> None:
    small = editing.reference_of(np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(UnsupportedError) as caught:
        made.check(Recipe(reference=small, aus={"AU1": 1.0}))
    assert caught.value.field == "reference"
    fitting = editing.reference_of(np.zeros((128, 128, 3), np.uint8))
    with pytest.raises(UnsupportedError) as caught:
        made.check(Recipe(reference=fitting, aus={"AU1": 1.0}, size=256))
    assert caught.value.field == "size"


def test_semantic_guidance_raises_what_its_reader_sees(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Classifier(ClassifierConfig("cnn", 32, widths=(8, 8), depths=(1, 1), aus=False))
    classifier.save(net, tmp_path / guides.IMAGE_FILE, "classifier")
    for name in (model.PRIOR, model.DENOISER, model.ADAPTER):
        (tmp_path / name).symlink_to(folder / name)
    guided = backbone.load(tmp_path, exact.find(128), shared_encoder())
    asked = {"expression": "fear", "aus": {"AU1": 2.0}, "steps": 6}
    options = {"first": 0.0, "last": 1.0, "every": 1, "fade": False}
    found = _made(guided, **asked, guidance={"semantic": 10.0}, semantic=options)
    read = [point.probability for point in found.guidance_curve]
    assert len(read) == 6
    assert read[-1] > read[0]
    assert not np.array_equal(found.image, _image(guided, **asked))
