from __future__ import annotations

import io

import numpy as np
from PIL import Image

from synfer_core.lab.figures import Figures
from synfer_core.lab.images import Faces


def test_figures_tell_what_was_read(test_faces: Faces) -> None:
    read = test_faces.labels.copy()
    read[test_faces.labels == 4] = 3
    figures = Figures(test_faces, read)
    values = figures.to_dict()
    assert values["accuracy"]["value"] == values["balanced_accuracy"]["value"] == 0.875
    assert values["confusion"]["fear"]["surprise"] == 2
    assert values["confusion"]["anger"]["anger"] == 2
    assert values["test"]["counts"] == dict.fromkeys(values["confusion"], 2)
    text = "\n".join(figures.lines())
    assert "balanced accuracy 0.875" in text
    assert text.count("\n") == 11


def test_balanced_accuracy_does_not_care_how_often_a_class_comes(test_faces: Faces) -> None:
    rows = np.flatnonzero((test_faces.labels == 0) | (np.arange(16) == 1))
    few = test_faces.take(rows)
    accuracy, balanced = Figures(few, np.zeros(len(few), np.int64)).estimates
    assert accuracy.value == 2 / 3
    assert balanced.value == 0.5
    assert accuracy.low <= accuracy.value <= accuracy.high


def test_the_picture_is_a_png(test_faces: Faces) -> None:
    picture = Figures(test_faces, test_faces.labels).picture("all right")
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 400
