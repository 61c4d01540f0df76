from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from synfer_core import calibration
from synfer_core.calibration import FERAnnoReader
from synfer_core.editing import reference_of
from synfer_core.errors import WeightsError
from synfer_core.facs import AU_SLOTS
from synfer_core.models import feranno
from synfer_core.models.feranno import FERAnno, FERAnnoConfig
from synfer_core.reference.probe import ReadableReference
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.training.feranno import readable

RNG = np.random.default_rng(0)


def draw(count: int, stretch: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax would be true, had they not been stretched."""
    honest = RNG.normal(0, 1.5, (count, 8))
    p = softmax(honest, axis=1)
    labels = np.array([RNG.choice(8, p=row) for row in p])
    return honest * stretch, labels


@pytest.mark.parametrize("stretch", [0.5, 3.0])
def test_the_temperature_undoes_over_and_underconfidence(stretch: float) -> None:
    logits, labels = draw(4000, stretch)
    temperature = calibration.fit_temperature(logits, labels)
    assert temperature == pytest.approx(stretch, rel=0.1)
    before = calibration.calibration_error(softmax(logits, axis=1), labels)
    after = calibration.calibration_error(softmax(logits / temperature, axis=1), labels)
    assert after < 0.04 < before


def test_likelihood_of_certain_and_even_logits() -> None:
    labels = np.array([0, 3])
    even = np.zeros((2, 8))
    assert calibration.nll(even, labels) == pytest.approx(np.log(8))
    certain = 50.0 * np.eye(8)[labels]
    assert calibration.nll(certain, labels) == pytest.approx(0, abs=1e-9)
    assert calibration.nll(certain, labels, 50.0) > 1


def test_calibration_error_by_hand() -> None:
    sure = np.tile([[0.8] + [0.2 / 7] * 7], (10, 1))
    labels = np.array([0] * 8 + [1] * 2)
    assert calibration.calibration_error(sure, labels) == pytest.approx(0, abs=1e-9)
    assert calibration.calibration_error(sure, np.ones(10, int)) == pytest.approx(0.8)


def test_adaptive_bins_see_what_equal_widths_hide() -> None:
    # All confidences share one bin of equal width, where too sure and too unsure cancel out.
    confidence = np.repeat([0.94, 0.98], 50)
    read = np.concatenate([confidence[:, None], np.tile(((1 - confidence) / 7)[:, None], 7)], 1)
    labels = np.concatenate([np.zeros(50, int), np.arange(50) % 25 < 2])
    assert calibration.calibration_error(read, labels) < 0.021
    assert calibration.adaptive_calibration_error(read, labels, 2) == pytest.approx(0.06, abs=1e-6)
    assert calibration.adaptive_calibration_error(read, np.ones(100, int)) == pytest.approx(0.96)


def test_labels_are_doubted_by_their_own_probability() -> None:
    read = np.array([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]])
    doubted = calibration.doubtful(read, np.array([1, 1, 1]), 0.3)
    assert doubted.tolist() == [True, False, False]


@pytest.mark.parametrize("share", [0.0, 0.04, 0.5])
def test_the_threshold_keeps_its_promise_on_right_labels(share: float) -> None:
    read = RNG.dirichlet(np.ones(8), 500)
    labels = RNG.integers(0, 8, 500)
    threshold = calibration.fit_doubt(read, labels, share)
    assert calibration.doubtful(read, labels, threshold).mean() == pytest.approx(share)


def write_feranno(folder: Path, backbone: str | None = None) -> ReadableReference:
    model = readable(folder)
    probe = model.probe()
    torch.manual_seed(0)
    features = probe.look(torch.rand(4, 3, 128, 128) * 2 - 1, 1, (0,))
    channels = tuple((side, t.shape[1]) for side, t in features.items())
    own, sizes = model.fingerprint(), {"width": 16, "blocks": 1, "heads": 2}
    places = {"latents": probe.placed(1), "halves": probe.halves}
    net = FERAnno(FERAnnoConfig(channels, backbone or own, steps=1, **places, **sizes))
    net.fit(features)
    feranno.save(net, folder / "feranno.safetensors", temperature=2.0)
    return model


def test_feranno_says_what_a_reference_shows_where_nobody_else_does(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    write_feranno(folder)
    synthesizer = Synthesizer.load(folder)
    reader = synthesizer.annotator.feranno
    assert reader is not None
    face = RNG.integers(0, 256, (128, 128, 3), np.uint8)
    read = reader.annotate(face[None]).aus[0].clamp(0, 1) * 5
    expected = {k: round(float(v), 2) for k, v in zip(AU_SLOTS, read, strict=True) if v >= 0.25}
    recipe = Recipe(reference=reference_of(face), aus={"AU12": 3.0})
    assert synthesizer.check(recipe).reference_aus == expected
    told = recipe.model_copy(update={"reference_aus": {"AU4": 2.0}})
    assert synthesizer.check(told).reference_aus == {"AU4": 2.0}
    assert Synthesizer.load(tiny_model_folder).check(recipe).reference_aus is None


def test_a_face_is_read_to_a_label_and_maps(tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    model = write_feranno(folder)
    reader = FERAnnoReader.load(folder / "feranno.safetensors", model)
    images = RNG.integers(0, 256, (3, 128, 128, 3), np.uint8)
    images.flags.writeable = False
    label, attention = reader.read(images[1])
    assert sum(label.probabilities) == pytest.approx(1)
    assert label.reader.startswith("feranno ")
    assert set(AU_SLOTS) < set(attention.maps)
    assert "word:1:happiness" in attention.maps
    for values in attention.maps.values():
        assert values.shape == (8, 8)
        assert values.min() == 0
        assert values.max() == pytest.approx(1)
    batch = reader.probabilities(images, batch=2)
    np.testing.assert_allclose(batch[1], label.probabilities, atol=1e-4)


def test_another_size_is_resized(tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    reader = FERAnnoReader.load(folder / "feranno.safetensors", write_feranno(folder))
    image = RNG.integers(0, 256, (1, 8, 8, 3), np.uint8)
    small, large = (image.repeat(n, 1).repeat(n, 2) for n in (16, 32))
    np.testing.assert_allclose(reader.probabilities(large), reader.probabilities(small), atol=0.02)


def test_temperature_softens_the_label(tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    reader = FERAnnoReader.load(folder / "feranno.safetensors", write_feranno(folder))
    image = RNG.integers(0, 256, (1, 128, 128, 3), np.uint8)
    logits = reader.annotate(image).logits.numpy()
    np.testing.assert_allclose(
        reader.probabilities(image), softmax(logits / 2.0, axis=1), rtol=1e-4
    )


def test_weights_of_another_denoiser_are_refused(tiny_model_folder: Path, tmp_path: Path) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    model = write_feranno(folder, backbone="0" * 64)
    with pytest.raises(WeightsError, match="another denoiser"):
        FERAnnoReader.load(folder / "feranno.safetensors", model)


def copied(source: Path, target: Path) -> Path:
    for path in source.glob("*.safetensors"):
        (target / path.name).write_bytes(path.read_bytes())
    return target
