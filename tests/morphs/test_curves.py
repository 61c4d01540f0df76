"""Onset, apex and offset of action units."""

from __future__ import annotations

from typing import Any

import pytest

from synfer_core.errors import RequestError
from synfer_core.morphs.curves import Curve, Timing

RISE, WHOLE = Timing.usual("rise"), Timing.usual("whole")


def levels(timing: Timing, *moments: float) -> list[float]:
    return [round(timing.level(moment), 6) for moment in moments]


def test_a_rise_ends_at_the_apex_and_a_whole_course_comes_back() -> None:
    assert levels(RISE, 0, 0.25, 0.5, 1) == [0, 0.25, 0.5, 1]
    assert levels(WHOLE, 0, 0.2, 0.4, 0.5, 0.6, 0.8, 1) == [0, 0.5, 1, 1, 1, 0.5, 0]


def test_a_late_unit_waits_and_then_stays() -> None:
    late = RISE.changed(Curve(onset=0.4, apex=0.6), 1.0, "curve")
    assert levels(late, 0, 0.4, 0.5, 0.6, 1) == [0, 0, 0.5, 1, 1]


def test_smooth_is_slow_at_both_ends_and_meets_in_the_middle() -> None:
    smooth = RISE.changed(Curve(easing="smooth"), 1.0, "curve")
    assert levels(smooth, 0, 0.5, 1) == [0, 0.5, 1]
    assert smooth.level(0.1) < 0.03
    assert smooth.level(0.9) > 0.97
    whole = WHOLE.changed(Curve(easing="smooth"), 1.0, "curve")
    assert levels(whole, 0.1, 0.9)[0] == levels(whole, 0.1, 0.9)[1] < 0.25


def test_milliseconds_are_shares_of_the_whole_time() -> None:
    timing = WHOLE.changed(Curve(onset=100, apex=300, offset=700, end=900), 1000.0, "curve")
    assert levels(timing, 0.1, 0.2, 0.5, 0.8, 0.9) == [0, 0.5, 1, 0.5, 0]
    assert timing == WHOLE.changed(Curve(onset=0.1, apex=0.3, offset=0.7, end=0.9), 1.0, "x")


@pytest.mark.parametrize(
    ("timing", "times", "field", "allowed"),
    [
        (RISE, {"offset": 0.5}, "curve.offset", "course: whole"),
        (RISE, {"end": 0.5}, "curve.end", "course: whole"),
        (RISE, {"onset": 0.5, "apex": 0.5}, "curve.apex", "after onset"),
        (RISE, {"apex": 1.2}, "curve.apex", "0 to 1"),
        (WHOLE, {"apex": 0.7}, "curve.offset", "at apex"),
        (WHOLE, {"offset": 1.0}, "curve.end", "after offset"),
        (WHOLE, {"end": 1.5}, "curve.end", "0 to 1"),
    ],
)
def test_times_out_of_order_are_named(
    timing: Timing, times: dict[str, Any], field: str, allowed: str
) -> None:
    with pytest.raises(RequestError) as caught:
        timing.changed(Curve(**times), 1.0, "curve")
    assert caught.value.field == field
    assert allowed in str(caught.value.allowed)
