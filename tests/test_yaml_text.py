"""YAML and JSON read as YAML 1.2 and JSON mean them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from synfer_core.data.spec import DataSet
from synfer_core.errors import RequestError
from synfer_core.grids.spec import Grid
from synfer_core.morphs.spec import Continuum
from synfer_core.request import Recipe
from synfer_core.stimuli.spec import Specification, StimulusSet
from synfer_core.yaml_text import read_yaml, write_yaml

MERGED = b"""
defaults: &d
  align: none
treatment:
  <<: *d
  greyscale: true
identities: [1]
expressions: [happiness]
step: 100
"""


def test_merge_keys_share_fields() -> None:
    spec = StimulusSet.parse_text(MERGED)
    assert (spec.treatment.align, spec.treatment.greyscale) == ("none", True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("[&a {x: 1}, &b {x: 2, y: 2}, {<<: [*a, *b], z: 3}]", None),
        ("a: &a 1\nb: *a", {"a": 1, "b": 1}),
    ],
)
def test_merged_values_are_those_of_yaml(text: str, value: object) -> None:
    made = read_yaml(text.encode(), "SPEC", ("a", "b"))
    assert made == (value or [{"x": 1}, {"x": 2, "y": 2}, {"x": 1, "y": 2, "z": 3}])


def test_only_what_is_referred_to_may_stand_under_a_name_of_its_own() -> None:
    with pytest.raises(RequestError, match="defaults: unknown key"):
        StimulusSet.parse_text(MERGED.replace(b"<<: *d", b"align: none"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-07", -7),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        ("1.5E-1", 0.15),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("~", None),
        ("", None),
        ("2026-11-30", "2026-11-30"),
        ("'010'", "010"),
        ("0b11", "0b11"),
        ("=", "="),
        ("1_000", "1_000"),
    ],
)
def test_plain_words_are_those_of_yaml_1_2(text: str, value: object) -> None:
    made = read_yaml(f"a: {text}".encode(), "SPEC")
    assert made == {"a": value}
    assert isinstance(made, dict)
    assert type(made["a"]) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        b'{\n\t"a": 1e3,\n\t"b": "\\ud83d\\ude00"\n}',
        '\ufeff{"a": 1e3, "b": "\U0001f600"}'.encode(),
        "a: 1e3\nb: \U0001f600".encode("utf-16"),
        "{a: 1e3, b: \U0001f600}".encode(),
    ],
)
def test_json_and_yaml_are_read_however_they_were_saved(text: bytes) -> None:
    assert read_yaml(text, "SPEC") == {"a": 1000.0, "b": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: [", "cannot be read as YAML or JSON"),
        (b"\xff\xff\xff", "cannot be read as YAML or JSON"),
        (b"a: 1\na: 2", "a comes twice"),
        (b'{"a": 1, "a": 2}', "a comes twice"),
        (b"b: {1: a, 0x1: b}", "1 comes twice"),
        (b"b: &b {<<: {x: 1}, y: 1, y: 2}", "y comes twice"),
        (b"- &a [*a]", "cannot be read as YAML or JSON"),
        (b"a: {<<: 3}", "expected a mapping"),
        (b"a: 1\n---\na: 2", "expected a single document"),
        (b"a: !!python/name:os.system", "could not determine a constructor"),
    ],
)
def test_what_is_wrong_is_said(text: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        read_yaml(text, "SPEC")
    assert caught.value.field == "SPEC"


def test_numbers_of_a_specification_are_as_written() -> None:
    spec = StimulusSet.parse_text(
        b"identities: [010, 8]\nexpressions: [happiness]\nstep: 1e2\nsame_scene: no\n"
    )
    assert [person.seed for person in spec.identities] == [10, 8]
    assert (spec.step, spec.same_scene) == (100, False)
    with pytest.raises(RequestError, match="identities"):
        StimulusSet.parse_text(b"identities: [1:30]\nexpressions: [happiness]\n")


STIMULI = {"identities": [1], "expressions": ["fear"]}
DATA = {"counts": {"fear": 1}}


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (Recipe, {"steps": True}, "steps"),
        (Recipe, {"au_scale": True}, "au_scale"),
        (Recipe, {"aus": {"AU12": True}}, "aus.AU12"),
        (Recipe, {"guidance": {"text": True}}, "guidance.text"),
        (Recipe, {"semantic": {"first": False}}, "semantic.first"),
        (Recipe, {"scene": {"yaw": True}}, "scene.yaw"),
        (Recipe, {"identity_code": [0.5, True]}, "identity_code.1"),
        (Recipe, {"version": True}, "version"),
        (StimulusSet, {**STIMULI, "step": True}, "step"),
        (StimulusSet, {**STIMULI, "identities": True}, "identities"),
        (StimulusSet, {**STIMULI, "drift_threshold": True}, "drift_threshold"),
        (StimulusSet, {**STIMULI, "same_scene": 1}, "same_scene"),
        (DataSet, {**DATA, "counts": True}, "counts"),
        (DataSet, {**DATA, "aus": {"strength": [True, True]}}, "aus.strength.0"),
        (DataSet, {**DATA, "verdicts": {"confirm": True}}, "verdicts.confirm"),
        (Continuum, {"apex": "12D", "frames": True}, "frames"),
    ],
)
def test_true_is_no_number(kind: type[Recipe | Specification], fields: Any, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        kind.parse(fields)
    assert str(caught.value.field).startswith(field)


def test_true_is_no_number_of_a_grid() -> None:
    axis = {"kind": "units", "values": ["AU12"], "intensity": True}
    with pytest.raises(RequestError) as caught:
        Grid.parse({"rows": axis, "columns": {"kind": "seed", "values": [1]}})
    assert caught.value.field == "rows.intensity"


@pytest.mark.parametrize(
    "value", ["1e3", "010", "0o10", "1:30", "no", "true", "~", "", "2026-11-30", "<<", "=", ".5"]
)
def test_texts_are_written_so_that_they_are_read_as_texts(value: str) -> None:
    written = write_yaml({"a": value, "b": [value]}).encode()
    assert read_yaml(written, "SPEC") == {"a": value, "b": [value]}
    assert yaml.safe_load(written) == {"a": value, "b": [value]}


@pytest.mark.parametrize("value", [1000.0, 1e16, 1e-7, 0.5, 7, -3, True, None])
def test_numbers_are_written_so_that_they_are_read_as_numbers(value: object) -> None:
    made = read_yaml(write_yaml({"a": value}).encode(), "SPEC")
    assert made == {"a": value}
