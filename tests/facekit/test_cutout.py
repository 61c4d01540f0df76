from __future__ import annotations

import numpy as np

from synfer_core.facekit.cutout import alpha_of, put_on, separated


def test_a_person_is_told_from_what_is_behind() -> None:
    clear = np.zeros((4, 4), np.float32)
    clear[:, 2:] = 1.0
    clear[0, 1] = 0.5
    person = np.array([0.6, 0.3, 0.1], np.float32)
    own, cover = separated((1 - clear)[..., None] * person, clear, 2)
    np.testing.assert_allclose(cover, [[0.875, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(own[:, :2], np.broadcast_to(person, (4, 2, 3)), atol=1e-6)


def test_what_shows_through_is_the_colour_exactly() -> None:
    image = np.full((1, 3, 3), 200, np.uint8)
    cover = np.array([[0.0, 0.5, 1.0]], np.float32)
    put = put_on(image, cover, (18 / 255, 171 / 255, 159 / 255))
    assert put[0].tolist() == [[18, 171, 159], [109, 186, 180], [200, 200, 200]]
    assert alpha_of(cover).tolist() == [[0, 128, 255]]
