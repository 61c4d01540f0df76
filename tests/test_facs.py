from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facs import (
    ACTION_UNITS,
    AU_SLOTS,
    EXPRESSIONS,
    PROTOTYPES,
    canonical_key,
    format_facs,
    from_slots,
    intensity_letter,
    parse_facs,
    to_slots,
    validate_aus,
)

LETTER_VALUES = st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])


@st.composite
def action_units(draw: st.DrawFn, values: st.SearchStrategy[float]) -> dict[str, float]:
    """AU keys that may stand together: for each unit both sides, one, or each on its own."""
    aus: dict[str, float] = {}
    for unit in draw(st.lists(st.sampled_from(list(ACTION_UNITS.values())), unique=True)):
        sides = draw(st.sampled_from(["", "L", "R", "LR"])) if unit.sided else ""
        aus |= {f"AU{side}{unit.number}": draw(values) for side in sides or [""]}
    return aus


def test_affectnet_order() -> None:
    assert EXPRESSIONS.index("neutral") == 0
    assert EXPRESSIONS.index("disgust") == 5
    assert EXPRESSIONS.index("anger") == 6
    assert EXPRESSIONS.index("contempt") == 7


def test_slots_hold_each_unit_once_or_by_side() -> None:
    assert len(AU_SLOTS) == len(set(AU_SLOTS)) == 36
    for unit in ACTION_UNITS.values():
        expected = (f"AUL{unit.number}", f"AUR{unit.number}") if unit.sided else (unit.key,)
        assert set(expected) <= set(AU_SLOTS)


def test_prototypes_are_valid_and_cover_the_expressions() -> None:
    assert tuple(PROTOTYPES) == EXPRESSIONS
    for aus in PROTOTYPES.values():
        assert validate_aus(aus) == aus
    assert format_facs(PROTOTYPES["happiness"]) == "6C+12D+25B"
    assert format_facs(PROTOTYPES["contempt"]) == "R12B+R14C"


@given(action_units(LETTER_VALUES))
def test_facs_string_round_trip(aus: dict[str, float]) -> None:
    assert parse_facs(format_facs(aus)) == aus


@given(action_units(st.floats(0, 5)))
def test_slots_round_trip(aus: dict[str, float]) -> None:
    read = from_slots(to_slots(aus))
    for key, value in aus.items():
        slots = [
            s for s in AU_SLOTS if s in (key, key.replace("AU", "AUL"), key.replace("AU", "AUR"))
        ]
        assert slots
        assert all(math.isclose(read[s], value, abs_tol=1e-12) for s in slots)
    assert sum(v > 0 for v in read.values()) <= 2 * len(aus)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        aus = parse_facs(text)
    except RequestError:
        return
    assert validate_aus(aus) == aus


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("", {}),
        ("1C+2C+5B+26D", {"AU1": 3.0, "AU2": 3.0, "AU5": 2.0, "AU26": 4.0}),
        ("l14c + R12E", {"AUL14": 3.0, "AUR12": 5.0}),
        ("45A", {"AU43": 1.0}),
    ],
)
def test_parse_facs(text: str, aus: dict[str, float]) -> None:
    assert parse_facs(text) == aus


@pytest.mark.parametrize(
    "text", ["12F", "12C++6C", "12C+12D", "12C+L12D", "12C+B12", "LAUR12", "6,"]
)
def test_parse_facs_refuses(text: str) -> None:
    with pytest.raises(RequestError):
        parse_facs(text)


@pytest.mark.parametrize(
    "value", [-0.001, 5.001, math.nan, math.inf, -math.inf, True, "4", None, 10**400]
)
def test_intensity_out_of_range(value: object) -> None:
    with pytest.raises(RequestError) as caught:
        validate_aus({"AU12": value})
    assert caught.value.field == "aus.AU12"
    assert caught.value.allowed == "0 to 5"


@pytest.mark.parametrize("key", ["AU12", "AUL12", "AUR12"])
@pytest.mark.parametrize("other", ["AU12", "AUL12", "AUR12"])
def test_both_sides_and_one_side_exclude_each_other(key: str, other: str) -> None:
    if key == other or "AU12" not in (key, other):
        assert len(validate_aus({key: 1.0, other: 1.0})) == len({key, other})
        return
    with pytest.raises(RequestError, match="same muscle"):
        validate_aus({key: 1.0, other: 1.0})


def test_alias_clashes_with_its_unit() -> None:
    with pytest.raises(RequestError):
        validate_aus({"AU43": 1.0, "AU45": 1.0})


@pytest.mark.parametrize("key", ["AU16", "AU13", "AUL38"])
def test_units_of_other_backbones_are_known_by_name(key: str) -> None:
    with pytest.raises(UnsupportedError, match="this backbone can't"):
        canonical_key(key)


@pytest.mark.parametrize("key", ["AU99", "AU", "12", "au12", "AUX12", "AUL17", "AU12 ", ""])
def test_unknown_keys(key: str) -> None:
    with pytest.raises(RequestError) as caught:
        canonical_key(key)
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("intensity", "letter"),
    [(0.0, None), (0.49, None), (0.5, "A"), (1.49, "A"), (2.5, "C"), (5.0, "E")],
)
def test_intensity_letter(intensity: float, letter: str | None) -> None:
    assert intensity_letter(intensity) == letter


@pytest.mark.parametrize(
    ("text", "aus"),
    [
        ("AU6+AU12", {"AU6": 3.0, "AU12": 3.0}),
        ("6C, 12D", {"AU6": 3.0, "AU12": 4.0}),
        ("6C 12D", {"AU6": 3.0, "AU12": 4.0}),
        ("6c;12d", {"AU6": 3.0, "AU12": 4.0}),
        ("B12C", {"AU12": 3.0}),
        ("6+12", {"AU6": 3.0, "AU12": 3.0}),
        ("1 2", {"AU1": 3.0, "AU2": 3.0}),
        ("AU01 + AU02B", {"AU1": 3.0, "AU2": 2.0}),
        ("L 12 C + R14", {"AUL12": 3.0, "AUR14": 3.0}),
        ("LAU12C AUR14B", {"AUL12": 3.0, "AUR14": 2.0}),
        ("", {}),
    ],
)
def test_facs_is_read_as_people_write_it(text: str, aus: dict[str, float]) -> None:
    assert parse_facs(text) == aus
