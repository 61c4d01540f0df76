"""Two recipes side by side: which settings differ, and which are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synfer_core.facs import ACTION_UNITS, intensity_letter
from synfer_core.request import SAMPLE, Recipe

ABSENT = "\u2013"
OWN = "own"
"""A strength of guidance that a recipe leaves to its backbone."""
"""Stands where a recipe does not say."""

_NAMES = {
    "text": "Prompt",
    "enriched_text": "Detailed prompt",
    "negative_text": "Negative prompt",
    "expression": "Meant as",
    "identity_seed": "Person",
    "identity_code": "Person, as a code",
    "identity_image": "Person, as a picture",
    "identity_scale": "How much that picture counts",
    "seed": "Seed",
    "guidance.text": "Prompt guidance",
    "guidance.au": "AU guidance",
    "guidance.semantic": "Semantic guidance",
    "semantic.classifier": "Semantic guidance: read by",
    "semantic.acts_on": "Semantic guidance: what moves",
    "semantic.first": "Semantic guidance: first step",
    "semantic.last": "Semantic guidance: last step",
    "semantic.every": "Semantic guidance: every",
    "semantic.fade": "Semantic guidance: fades",
    "au_scale": "AU scale",
    "variation": "Variation",
    "scheduler": "Sampler",
    "steps": "Steps",
    "size": "Size",
    "scene.yaw": "Head turned",
    "scene.pitch": "Head raised",
    "scene.roll": "Head tilted",
    "scene.gaze_yaw": "Gaze, to the side",
    "scene.gaze_pitch": "Gaze, upwards",
    "scene.light": "Light",
    "scene.light_side": "Light from",
    "scene.background": "Background",
    "scene.framing": "Framing",
    "scene.glasses": "Glasses",
    "scene.hair": "Hair",
    "scene.beard": "Beard",
    "backbone": "Made by",
    "reference": "Face it started from",
    "reference_aus": "What that face shows",
    "inversion_depth": "Depth of the edit",
    "keep": "Hold on the rest",
    "weights_sha256": "Weights",
}
"""Recipe fields in the order they are compared in; action units come after `expression`."""


@dataclass(frozen=True)
class Setting:
    """One setting of two recipes.

    Attributes:
        name: In plain words.
        one, other: Its values in words; `ABSENT` where a recipe does not say.
    """

    name: str
    one: str
    other: str

    @property
    def differs(self) -> bool:
        """Whether the two recipes disagree."""
        return self.one != self.other


def compare(one: Recipe, other: Recipe) -> tuple[Setting, ...]:
    """Every setting that either recipe has, those of the face first."""
    left, right = _flat(one), _flat(other)
    settings: list[Setting] = []
    for field, name in _NAMES.items():
        if field in left or field in right:
            show = _SHOW.get(field, _plain)
            settings.append(Setting(name, _said(left, field, show), _said(right, field, show)))
        if field == "expression":
            settings += _units(one.action_units, other.action_units)
    return tuple(settings)


def _flat(recipe: Recipe) -> dict[str, Any]:
    """Fields by dotted name; empty words and what is not said are left out."""
    fields = recipe.model_dump(exclude_none=True, exclude={"version", "aus", "facs"})
    flat: dict[str, Any] = {"guidance.text": OWN, "guidance.au": OWN}
    for name, value in fields.items():
        if name in ("guidance", "semantic", "scene"):
            flat |= {f"{name}.{part}": inner for part, inner in value.items()}
        elif value != "":
            flat[name] = value
    return flat


def _said(fields: Mapping[str, Any], name: str, show: Callable[[Any], str]) -> str:
    return show(fields[name]) if name in fields else ABSENT


def _units(one: Mapping[str, float], other: Mapping[str, float]) -> Iterator[Setting]:
    """Action units in order; by side where either recipe sets the sides apart."""
    used = {int(key.lstrip("AULR")) for key in (*one, *other)}
    for unit in ACTION_UNITS.values():
        if unit.number not in used:
            continue
        sides = (f"AUL{unit.number}", f"AUR{unit.number}")
        apart = any(side in aus for side in sides for aus in (one, other))
        for key in sides if apart else (unit.key,):
            yield Setting(
                f"{key} {unit.name}", *(_intensity(key, unit.key, aus) for aus in (one, other))
            )


def _intensity(key: str, both: str, aus: Mapping[str, float]) -> str:
    value = aus.get(key, aus.get(both))
    if value is None:
        return ABSENT
    letter = intensity_letter(value)
    return f"{value:g} ({letter})" if letter else f"{value:g}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hashed(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]


def _reference(value: str) -> str:
    return value if value.startswith(SAMPLE) else f"a picture ({_hashed(value)})"


_SHOW: dict[str, Callable[[Any], str]] = {
    "identity_code": lambda code: f"{len(code)} numbers ({_hashed(code)})",
    "identity_image": _reference,
    "reference": _reference,
    "reference_aus": lambda aus: ", ".join(f"{key} {value:g}" for key, value in aus.items()),
    "weights_sha256": lambda weights: str(weights)[:8],
}
