from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synfer_core.errors import DataError
from synfer_core.stimuli import masks
from synfer_core.stimuli.align import eyes_seen
from synfer_core.stimuli.spec import Target, Treatment
from synfer_core.stimuli.treat import Applied, Frame, treat
from tests.stimuli.drawn import SIZE, face, find_eyes

BOX = ((0.2, 0.1), (0.8, 0.1), (0.8, 0.9), (0.2, 0.9))


def frame(**fields: Any) -> Applied:
    image = face(1, 0)
    return Frame.of(image, Treatment(**fields), eyes_seen(image, find_eyes)).applied


@pytest.mark.parametrize(
    "applied",
    [
        Applied(size=64),
        frame(crop="hair", size=80, greyscale=True),
        Applied(size=64, fill=(1, 2, 3), crop="oval", target=Target(mean=99.123456789, sd=20)),
        Applied(size=64, histogram=(int(masks.whole(masks.oval(64)).sum()), *[0] * 255)),
    ],
)
def test_numbers_go_round_by_json(applied: Applied) -> None:
    assert Applied.parse_json(applied.to_json()) == applied


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "SPEC"),
        ('{"size": 5}', "size"),
        ('{"size": 64, "hat": 1}', "hat"),
        ('{"size": 64, "crop": "hair", "fill": [1, 1, 1]}', "outline"),
        ('{"size": 64, "histogram": [%s1]}' % ("0," * 255), "histogram"),
    ],
)
def test_numbers_that_fit_no_image_are_refused(text: str, field: str) -> None:
    with pytest.raises(DataError) as caught:
        Applied.parse_json(text)
    assert caught.value.field == field


def test_untouched_without_a_treatment() -> None:
    treated = treat(face(1, 0), Applied(size=SIZE))
    assert (treated.image == face(1, 0)).all()
    assert treated.before == treated.after


def test_the_oval_shows_the_face_and_hides_the_rest() -> None:
    image = treat(face(1, 0), Applied(size=SIZE, crop="oval", fill=(10, 20, 30))).image
    whole, none = masks.oval(SIZE) == 1, masks.oval(SIZE) == 0
    assert (image[whole] == face(1, 0)[whole]).all()
    assert (image[none] == (10, 20, 30)).all()
    assert 0.3 < whole.mean() < 0.6


def test_a_head_has_no_neck() -> None:
    applied = Applied(size=SIZE, crop="hair", outline=BOX, fill=(0, 0, 0))
    bright = np.full((SIZE, SIZE, 3), 200, np.uint8)
    shown = treat(bright, applied).image[..., 0] > 100
    assert shown[SIZE // 2, SIZE // 2]
    assert not shown[:, : SIZE // 6].any()
    assert shown[SIZE // 3].sum() > shown[round(0.88 * SIZE)].sum() > 0
    assert not shown[round(0.9 * SIZE) :].any()


def test_grey_stays_grey_on_a_coloured_ground() -> None:
    applied = Applied(size=SIZE, crop="oval", fill=(200, 0, 0), greyscale=True)
    image = treat(face(1, 0), applied).image
    assert (np.ptp(image, axis=2) == 0).all()


def test_a_frame_is_found_on_the_neutral_image() -> None:
    applied = frame(crop="none", background=128, size=100)
    assert applied.size == 100
    assert applied.move is not None
    assert applied.outline is not None
    image = treat(face(1, 0), applied).image
    assert image.shape == (100, 100, 3)
    assert (image[:10, :10] == 128).all()
