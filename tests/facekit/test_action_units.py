from __future__ import annotations

import pytest

from synfer_core.facekit.action_units import (
    SHAPES_OF,
    by_side,
    label_lips_part,
    scored_slots,
    shape_weights,
)
from synfer_core.facs import ACTION_UNITS, AU_SLOTS, to_slots, validate_aus


def weights(**aus: float) -> dict[str, float]:
    return shape_weights(to_slots(validate_aus(aus)))


def test_every_unit_has_shapes() -> None:
    assert set(SHAPES_OF) == set(ACTION_UNITS)


def test_neutral_moves_nothing() -> None:
    assert weights() == {}


def test_intensity_is_linear() -> None:
    assert weights(AU12=5)["mouthSmile_L"] == pytest.approx(1.0)
    assert weights(AU12=2.5)["mouthSmile_R"] == pytest.approx(0.5)
    assert weights(AU4=5)["browDown_L"] == pytest.approx(1.9)


def test_lowered_brows_go_down_at_their_inner_ends_too() -> None:
    frown = weights(AU4=5)
    assert frown["browInnerUp_L"] == frown["browInnerUp_R"] == pytest.approx(-0.45)
    assert weights(AU1=5, AU4=5)["browInnerUp_L"] > 1


def test_sides_stay_apart() -> None:
    left = weights(AUL2=5)
    assert left["browOuterUp_L"] == pytest.approx(1.05)
    assert left["browOuterUp_R"] == 0
    assert by_side(to_slots({"AUR12": 5.0}))[12] == (0.0, 1.0)


def test_inner_brow_raiser_damps_brow_lowerer() -> None:
    assert weights(AU1=5, AU4=5)["browDown_L"] == pytest.approx(1.9 * 0.55)


def test_closed_eyes_cannot_be_wide() -> None:
    both = weights(AU5=5, AU43=5)
    assert "eyeWide_L" not in both
    assert both["eyeBlink_L"] == pytest.approx(1.0)


def test_tense_lids_need_less_blink() -> None:
    assert weights(AU6=5, AU43=5)["eyeBlink_L"] < 1


def test_lip_corner_shapes_share_one_cap() -> None:
    pulled = weights(AU12=5, AU14=5, AU20=5)
    total = sum(pulled[f"{shape}_L"] for shape in ("mouthSmile", "mouthDimple", "mouthStretch"))
    assert total == pytest.approx(1.6)


def test_caps() -> None:
    assert weights(AU9=5, AU10=5)["noseSneer_L"] == pytest.approx(1.15)
    assert weights(AU4=5, AU9=5)["browDown_L"] == pytest.approx(2.05)
    assert weights(AU23=5, AU28=5)["mouthRollUpper"] == pytest.approx(1.0)
    assert weights(AU26=5, AU27=5)["jawOpen"] == pytest.approx(1.0)


def test_pressed_lips_stay_closed_under_a_dropped_jaw() -> None:
    assert weights(AU26=5, AU24=5)["mouthClose"] == pytest.approx(0.42)
    assert "mouthClose" not in weights(AU26=5, AU24=5, AU25=3)


def test_lips_part_label_rises_to_the_gap() -> None:
    slots = to_slots({"AU9": 5.0, "AU25": 1.0})
    index = AU_SLOTS.index("AU25")
    assert label_lips_part(slots, 0.6)[index] == pytest.approx(0.6)
    assert label_lips_part(slots, 2.0)[index] == 1.0
    assert label_lips_part(slots, 0.1) == slots
    assert label_lips_part(slots, -0.3) == slots
    strong = to_slots({"AU25": 5.0})
    assert label_lips_part(strong, 0.5) == strong


def test_a_dropped_jaw_parts_the_lips_unless_they_are_pressed() -> None:
    index = AU_SLOTS.index("AU25")

    def lips(**aus: float) -> float:
        return 5 * scored_slots(validate_aus(aus))[index]

    assert lips(AU26=1) == pytest.approx(1.76, abs=0.01)
    assert lips(AU26=4) == 5
    assert lips(AU26=4, AU24=4) == 0
    assert lips(AU10=2, AU25=1) == pytest.approx(3.1, abs=0.1)
    assert lips(AU1=5, AU12=5) == 0
    assert lips(AU25=2) == 2
    assert scored_slots({"AUL12": 3.0}) == to_slots({"AUL12": 3.0})
