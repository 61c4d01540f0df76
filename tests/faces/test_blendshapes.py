from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.faces import blendshapes
from synfer_core.faces.blendshapes import GAUGES, JAW_SHAPE, read_aus
from synfer_core.faces.landmarks import Face, Landmarker
from synfer_core.facs import canonical_key
from tests.faces.photo import needs_landmarker, portrait

SHAPES = sorted({shape for gauge in GAUGES for _, shape in gauge.places} | {JAW_SHAPE})
ABSOLUTE = {"AU26", "AU27", "AUL10", "AUR10", "AUL12", "AUR12", "AUL43", "AUR43"}


def face(**scores: float) -> Face:
    return Face(np.zeros((478, 2), np.float32), dict.fromkeys(SHAPES, 0.0) | scores)


def test_one_image_gives_the_absolute_units_only() -> None:
    assert set(read_aus(face()).aus) == ABSOLUTE


def test_a_neutral_image_gives_more() -> None:
    reading = read_aus(face(), face())
    assert {"AU1", "AUL2", "AUR4", "AU17", "AUL20"} < set(reading.aus)
    assert not {"AUL6", "AUL7", "AUL9", "AUL15", "AU23", "AUL24", "AU28"} & set(reading.aus)
    for key in reading.aus:
        assert canonical_key(key) == key


def test_a_habit_of_the_face_is_no_action() -> None:
    raised = face(browInnerUp=0.8, browOuterUpLeft=0.5)
    reading = read_aus(raised, raised)
    assert reading.aus["AU1"] == 0.0
    assert reading.aus["AUL2"] == 0.0
    assert read_aus(raised, face()).aus["AU1"] > 2.0


def test_sides_are_the_subjects() -> None:
    aus = read_aus(face(mouthSmileLeft=0.9)).aus
    assert aus["AUL12"] > 4.0
    assert aus["AUR12"] < 0.5


def test_a_jaw_drop_is_26_and_beyond_it_27() -> None:
    small, wide = read_aus(face(jawOpen=0.3)).aus, read_aus(face(jawOpen=0.9)).aus
    assert small["AU26"] > 2.0
    assert small["AU27"] == 0.0
    assert wide["AU26"] == 0.0
    assert wide["AU27"] > 3.5


def test_the_reading_says_who_made_it_and_what_is_weak() -> None:
    reading = read_aus(face(), face())
    assert reading.reader == f"mediapipe {version('mediapipe')}, map {blendshapes.MAP_VERSION}"
    assert {"AUL4", "AUR4", "AUL5", "AUR5"} <= reading.weak <= set(reading.aus)
    assert "AUL12" not in reading.weak
    assert read_aus(face()).weak <= ABSOLUTE


@given(st.fixed_dictionaries({name: st.floats(0, 1) for name in SHAPES}))
def test_intensities_stay_in_range(scores: dict[str, float]) -> None:
    reading = read_aus(face(**scores), face(browDownLeft=0.5))
    assert all(0.0 <= value <= 5.0 for value in reading.aus.values())


@pytest.mark.parametrize("gauge", GAUGES, ids=lambda gauge: f"AU{gauge.number}")
def test_higher_scores_read_higher(gauge: blendshapes.Gauge) -> None:
    (key, shape), *_ = gauge.places
    low, high = (read_aus(face(**{shape: score}), face()).aus[key] for score in (0.2, 0.9))
    assert high > low


@needs_landmarker
def test_a_smile_is_read_off_a_render() -> None:
    landmarker = Landmarker.load()
    (smile,), (neutral,) = (landmarker.detect(portrait(256, n)) for n in ("smile", "neutral"))
    reading = read_aus(smile, neutral).aus
    assert reading["AUL12"] > 3.0
    assert reading["AUR12"] > 3.0
    assert read_aus(neutral).aus["AUL12"] < 1.0
    assert reading["AU27"] < 1.0
