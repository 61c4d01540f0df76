from __future__ import annotations

import numpy as np
import pytest

from synfer_core.stimuli import histogram, masks
from synfer_core.stimuli.luminance import luma
from tests.stimuli.drawn import SIZE, face

REGION = masks.whole(masks.oval(SIZE))


def grey(person: int) -> np.ndarray:
    return np.repeat(luma(face(person, 1.0))[..., None], 3, axis=2)


def test_all_images_get_the_very_same_counts() -> None:
    faces = [grey(person) for person in (1, 4, 7)]
    shares = histogram.average([histogram.histogram(one, REGION) for one in faces])
    counts = histogram.counts(shares, int(REGION.sum()))
    assert sum(counts) == REGION.sum()
    for one in faces:
        matched = histogram.match(one, REGION, counts)
        assert tuple(np.bincount(matched[..., 0][REGION], minlength=256)) == counts
        assert (matched[~REGION] == one[~REGION]).all()


def test_darker_stays_darker() -> None:
    image = grey(2)
    counts = histogram.counts(np.ones(256), int(REGION.sum()))
    before, after = image[..., 0][REGION], histogram.match(image, REGION, counts)[..., 0][REGION]
    means = [after[before == level].mean() for level in np.unique(before)]
    assert (np.diff(means) >= 0).all()


def test_counts_keep_shares() -> None:
    shares = np.zeros(256)
    shares[[10, 200]] = 0.25, 0.75
    assert histogram.counts(shares, 1001)[200] == pytest.approx(751, abs=1)
