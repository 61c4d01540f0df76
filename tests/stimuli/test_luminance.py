from __future__ import annotations

import numpy as np
import pytest

from synfer_core.errors import ImageError
from synfer_core.report import Pixels
from synfer_core.stimuli import luminance, masks
from synfer_core.stimuli.luminance import Luminance
from synfer_core.stimuli.spec import Target
from tests.stimuli.drawn import SIZE, face

REGION = masks.whole(masks.oval(SIZE))


def grey(image: Pixels) -> Pixels:
    return np.repeat(luminance.luma(image)[..., None], 3, axis=2)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("target", [(120.0, 30.0), (90.0, 12.0), (160.0, 45.0)])
def test_what_is_written_lies_within_a_hundredth_of_the_target(
    colour: bool, target: tuple[float, float]
) -> None:
    wanted = Target(mean=target[0], sd=target[1])
    image = face(3, 2.0) if colour else grey(face(3, 2.0))
    found = Luminance.of(luminance.match(image, REGION, wanted), REGION)
    assert found.mean == pytest.approx(wanted.mean, rel=0.01)
    assert found.sd == pytest.approx(wanted.sd, rel=0.01)


def test_colours_keep_their_differences() -> None:
    image = face(3, 0.0)
    before = Luminance.of(image, REGION)
    matched = luminance.match(image, REGION, Target(mean=before.mean - 20, sd=before.sd))
    change = matched[REGION].astype(int) - image[REGION]
    assert np.ptp(change, axis=1).max() <= 1
    assert change.mean() == pytest.approx(-20, abs=0.5)


def test_the_average_of_a_set_is_of_means_and_of_deviations() -> None:
    found = luminance.average([Luminance(100, 20), Luminance(140, 40)])
    assert (found.mean, found.sd) == (120, 30)


def test_what_cannot_be_reached_is_refused() -> None:
    flat = np.full((SIZE, SIZE, 3), 90, np.uint8)
    for image, target in ((flat, (100, 20)), (face(1, 0), (240, 100))):
        with pytest.raises(ImageError, match="cannot be reached"):
            luminance.match(image, REGION, Target(mean=target[0], sd=target[1]))
    with pytest.raises(ImageError, match="flat"):
        luminance.average([Luminance(100, 1)])
