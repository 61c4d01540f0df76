from __future__ import annotations

import numpy as np
import pytest

from synfer_core.faces.landmarks import shared_landmarker
from synfer_core.faces.sixty_eight import COUNT, INDICES, PARTS, mean_error, sixty_eight
from tests.faces.photo import needs_landmarker, portrait


def test_each_point_is_another() -> None:
    assert len(set(INDICES)) == COUNT == sum(part.stop - part.start for part in PARTS.values())


def test_errors_are_shares_of_the_eyes_distance() -> None:
    truth = np.zeros((COUNT, 2))
    truth[45] = (50, 0)
    found = truth.copy()
    found[PARTS["mouth"]] += (3, 4)
    errors = mean_error(found, truth)
    assert errors["mouth"] == pytest.approx(0.1)
    assert errors["jaw"] == 0


@needs_landmarker
def test_points_lie_as_the_scheme_has_them() -> None:
    points = sixty_eight(shared_landmarker().detect(portrait(256))[0].points)
    x, y = points.T
    assert np.all(np.diff(x[17:27]) > 0), "brows from the image's left to its right"
    assert np.all(np.diff(y[27:31]) > 0), "the nose from its bridge down"
    assert y[8] == y.max(), "the chin is lowest"
    assert x[36] < x[39] < x[42] < x[45], "corners of the eyes"
    assert y[37] < y[41], "upper lid over lower lid"
    assert x[48] < x[60] < x[64] < x[54], "inner lips within the outer"
    assert y[51] < y[62] <= y[66] < y[57]
