from __future__ import annotations

import numpy as np
import pytest

from synfer_core.provenance import label
from synfer_core.provenance.export import WORDS
from tests.provenance.pictures import faces, resized


@pytest.mark.parametrize("words", WORDS.values())
@pytest.mark.parametrize("side", [128, 256])
def test_the_label_stands_in_the_corner_and_covers_little(words: str, side: int) -> None:
    face = resized(faces()[1], side)
    labelled = label.draw(face, words)
    rows, columns = np.nonzero((labelled != face).any(-1))
    assert rows.min() > 0.86 * side, "below the chin"
    assert columns.min() > 0.3 * side
    assert (rows.max(), columns.max()) == (side - 1, side - 1)
    plate = labelled[rows.min() :, columns.min() :].astype(int)
    assert plate.max() > 240, "letters"
    assert np.median(plate) < 90, "on a dark ground"


def test_other_words_look_different() -> None:
    pictures = [label.draw(faces()[0], words) for words in WORDS.values()]
    assert not np.array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], label.draw(faces()[0], next(iter(WORDS.values()))))


def test_a_tiny_picture_gets_what_fits() -> None:
    assert label.draw(np.zeros((8, 8, 3), np.uint8), "AI-generated").shape == (8, 8, 3)
