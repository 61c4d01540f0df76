"""The samples that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core import samples
from synfer_core.errors import DataError, RequestError
from synfer_core.facekit.identity import CODE_SIZE
from synfer_core.faces.images import read_image
from synfer_core.request import Recipe


def test_every_sample_is_a_small_square_face_with_words() -> None:
    found = samples.shipped()
    assert len(found) == 8
    assert len({sample.name for sample in found}) == 8
    for sample in found:
        path = samples.FOLDER / sample.file
        assert read_image(path).shape == (512, 512, 3)
        assert path.stat().st_size < 450_000
        assert sample.alt.endswith("neutral face")
        assert sample.aus == {}
        assert len(sample.identity_code) == CODE_SIZE
        assert Recipe.parse({"reference": sample.reference}).reference == sample.reference


def test_the_people_differ() -> None:
    codes = np.array([sample.identity_code for sample in samples.shipped()])
    gaps = np.linalg.norm(codes[:, None] - codes[None], axis=2) + 100 * np.eye(len(codes))
    assert gaps.min() > 5
    light = [read_image(samples.FOLDER / s.file)[60:70].mean() for s in samples.shipped()]
    assert max(light) > 2 * min(light)


def test_a_name_finds_its_sample() -> None:
    assert samples.find("ada").reference == "sample:ada"
    with pytest.raises(RequestError, match=r"no sample 'nobody' \(allowed: ada, "):
        samples.find("nobody")


def test_the_list_comes_back_from_json(tmp_path: Path) -> None:
    one = samples.Sample("ada", "A woman", {"AU12": 1.5}, (0.25, -1.0))
    (tmp_path / samples.LIST).write_bytes(samples.to_json((one,)))
    assert samples.read_list(tmp_path) == (one,)


@pytest.mark.parametrize("text", ["", "[{}]", '[{"name": "a"}]', "[3]", "7"])
def test_a_damaged_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / samples.LIST).write_text(text)
    with pytest.raises(DataError, match=r"samples\.json"):
        samples.read_list(tmp_path)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"samples\.json"):
        samples.read_list(tmp_path)
