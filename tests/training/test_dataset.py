from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.errors import DataError
from synfer_core.training import dataset
from tests.training.tiny import write_faces


def test_a_data_set_keeps_units_labels_and_factors(tmp_path: Path) -> None:
    faces = dataset.load(write_faces(tmp_path), "val", limit=5)
    assert faces.images.shape == (5, 32, 32, 3)
    assert faces.aus.max() <= 1
    assert set(faces.expressions) <= set(range(-1, 8))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no train images"):
        dataset.load(tmp_path, "train")
