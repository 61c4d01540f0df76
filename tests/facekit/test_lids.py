from __future__ import annotations

import numpy as np
import pytest

from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.lids import SIDES, FittedLids, _heights, _opening
from synfer_core.facekit.person import People, Person
from synfer_core.facekit.renderer import Renderer

PIERCED = 900
"""A person whose corneas came through the lids as the blink shapes move them."""
Floats = np.ndarray


@pytest.fixture(scope="module")
def people(renderer: Renderer) -> People:
    return People(renderer.head, renderer._derived)


def blinking(renderer: Renderer, person: Person, blink: float) -> Floats:
    """Vertices as the blink shapes alone leave them."""
    weights = {f"eyeBlink{side}": blink * person.lid_scale[side] for side in SIDES}
    return renderer.head.deform(person.points, weights)


def least_height(lids: FittedLids, points: Floats) -> float:
    """How high above the eyeball the lowest skin of the lids lies, cm."""
    heights = np.empty(len(lids.lids.vertices), np.float32)
    _heights(points, lids.lids.vertices, lids.centre, lids.radii, heights)
    return float((heights - lids.lids.skin).min())


def test_blink_shapes_alone_let_an_eyeball_through(renderer: Renderer, people: People) -> None:
    person = people.get(draw_identity(PIERCED), 0.0)
    points = blinking(renderer, person, 1.0)
    assert min(least_height(lids, points) for lids in person.lids) < -0.1


@pytest.mark.parametrize("identity", [PIERCED, 901, 904, 907])
def test_closed_lids_lie_on_the_eyeball_and_meet(
    renderer: Renderer, people: People, identity: int
) -> None:
    person = people.get(draw_identity(identity), 0.0)
    points = blinking(renderer, person, 1.0)
    for lids in person.lids:
        lids.close(points, 1.0)
        assert least_height(lids, points) > -0.02
        # Corners never part; between them the margins overlap.
        assert _opening(lids.lids, points)[2:-2].max() < 0.06


def test_open_lids_stay_as_they_are(renderer: Renderer, people: People) -> None:
    person = people.get(draw_identity(PIERCED), 0.0)
    points = blinking(renderer, person, 0.0)
    before = points.copy()
    for lids in person.lids:
        lids.close(points, 0.0)
    assert np.array_equal(points, before)


def test_half_a_blink_leaves_about_half_the_opening(renderer: Renderer, people: People) -> None:
    person = people.get(draw_identity(901), 0.0)
    points = blinking(renderer, person, 0.5)
    for lids in person.lids:
        lids.close(points, 0.5)
        share = _opening(lids.lids, points)[2:-2].mean() / lids.opening[2:-2].mean()
        assert 0.25 < share < 0.75


def test_lashes_go_with_the_lid(renderer: Renderer, people: People) -> None:
    person = people.get(draw_identity(PIERCED), 0.0)
    points = blinking(renderer, person, 1.0)
    before = points.copy()
    lids = person.lids[0]
    lids.close(points, 1.0)
    moved = points - before
    hosts = lids.lids.vertices[lids.lids.hosts]
    assert np.allclose(moved[lids.lids.lashes], moved[hosts], atol=1e-5)
    assert np.abs(moved[hosts]).max() > 0.01
