from __future__ import annotations

import cv2
import numpy as np

from app.ui.face_map import REGIONS, Region
from synfer_core.faces import align
from synfer_core.facs import ACTION_UNITS


def inside(region: Region, x: float, y: float) -> bool:
    """Whether a place, as shares of the picture, is in a region."""
    corners = [[float(v) for v in corner.split(",")] for corner in region.corners.split()]
    outline = np.array(corners, np.float32)
    return cv2.pointPolygonTest(outline, (100 * x, 100 * y), False) > 0


def found(x: float, y: float) -> list[str]:
    return [region.name for region in REGIONS if inside(region, x, y)]


def test_regions_lie_where_faces_have_them() -> None:
    assert found(align.EYE_LEFT_X, align.EYES_Y) == ["Right eye"]
    assert found(align.EYE_RIGHT_X, align.EYES_Y) == ["Left eye"]
    assert found(0.5, align.MOUTH_Y) == ["Mouth"]


def test_no_place_is_in_two_regions() -> None:
    places = np.linspace(0, 1, 51)
    assert max(len(found(x, y)) for x in places for y in places) == 1


def test_each_group_of_sliders_has_a_region() -> None:
    assert {r.group for r in REGIONS} == {unit.region for unit in ACTION_UNITS.values()}


def test_what_a_unit_moves_is_in_its_region() -> None:
    from synfer_core.facekit import Renderer
    from synfer_core.facekit.regions import au_region

    head = Renderer.load().head
    for slot, name in (("AUL1", "Left brow"), ("AUR2", "Right brow"), ("AU26", "Jaw and chin")):
        y, x = np.argwhere(au_region(head, slot, 128) > 0.8).mean(0) / 128
        assert found(x, y) == [name]
