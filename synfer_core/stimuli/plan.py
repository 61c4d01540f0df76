"""The plan of a stimulus set: every image as a recipe with a file name, before any is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from synfer_core.facs import format_facs
from synfer_core.request import Recipe
from synfer_core.stimuli import names
from synfer_core.stimuli.spec import Person, StimulusSet

NEUTRAL = "neutral"


@dataclass(frozen=True)
class Stimulus:
    """One image to be made.

    Attributes:
        file: Its file name.
        subject: Number of the person, from 1.
        expression: ``neutral``, an expression, an AU key or the name of a mix.
        intensity: Per cent of the apex, 0 for neutral.
        view: The view, as the specification calls it.
        recipe: What to make.
    """

    file: str
    subject: int
    expression: str
    intensity: int
    view: str
    recipe: Recipe

    @property
    def facs(self) -> str:
        """The AUs asked for as a FACS string, each at its nearest letter; empty for neutral."""
        return format_facs(self.recipe.action_units)


@dataclass(frozen=True)
class Plan:
    """All images of a set.

    Attributes:
        spec: What they follow from.
        stimuli: By person, the neutral image first.
        planned: Of a part of a plan (`only`), how many images the whole has; else None.
    """

    spec: StimulusSet
    stimuli: tuple[Stimulus, ...]
    planned: int | None = None

    @classmethod
    def of(cls, spec: StimulusSet) -> Self:
        """The plan of a specification.

        Raises:
            RequestError: The file names are unsafe or collide, or a recipe is not allowed.
        """
        rows = list(_rows(spec))
        files = names.render(
            spec.files.template, [_fields(i, row) for i, row in enumerate(rows, 1)]
        )
        return cls(
            spec, tuple(Stimulus(file, **row) for file, row in zip(files, rows, strict=True))
        )

    def only(self, there: Callable[[Recipe], bool]) -> Plan:
        """The part of the plan whose images are there, of people whose neutral image is."""
        kept = [stimulus for stimulus in self.stimuli if there(stimulus.recipe)]
        known = {one.subject for one in kept if one.expression == NEUTRAL}
        some = tuple(stimulus for stimulus in kept if stimulus.subject in known)
        return replace(self, stimuli=some, planned=len(self.stimuli))

    @property
    def neutrals(self) -> tuple[Stimulus, ...]:
        """The neutral images, one a person."""
        return tuple(s for s in self.stimuli if s.expression == NEUTRAL)


def scaled(apex: Mapping[str, float], percent: int) -> dict[str, float]:
    """AUs at a share of their apex, intensities 0-5."""
    return {key: round(value * percent / 100, 4) for key, value in apex.items()}


def _rows(spec: StimulusSet) -> Iterator[dict[str, Any]]:
    for subject, person in enumerate(spec.identities, 1):
        same = {"subject": subject, "view": spec.files.view}
        # Without any AU a recipe leaves the face to the words; an empty FACS string says neutral.
        recipe = _recipe(spec, person, {"facs": ""})
        yield {**same, "expression": NEUTRAL, "intensity": 0, "recipe": recipe}
        for name, apex in spec.apexes.items():
            for percent in spec.percents:
                recipe = _recipe(spec, person, {"aus": scaled(apex, percent)})
                yield {**same, "expression": name, "intensity": percent, "recipe": recipe}


def _recipe(spec: StimulusSet, person: Person, units: Mapping[str, Any]) -> Recipe:
    """No class phrase: its words would not grow with the intensity."""
    words = ", ".join(part for part in (spec.recipe.get("text", ""), person.text) if part)
    own = {} if spec.same_scene else {"seed": scene_seed(spec.recipe.get("seed", 0), person.seed)}
    who = {"text": words, "identity_seed": person.seed}
    return Recipe.parse({**spec.recipe, **_framed(spec), **own, **who, **units})


def _framed(spec: StimulusSet) -> dict[str, Any]:
    """Exact faces are rendered with the eyes in place: moved later, their edges would show."""
    scene = spec.recipe.get("scene") or {}
    aligned = spec.treatment.align == "eyes" and spec.recipe.get("backbone") == "facekit"
    if not aligned or scene.get("framing") is not None:
        return {}
    return {"scene": {**scene, "framing": "eyes"}}


def scene_seed(shared: int, person: int) -> int:
    """The seed of one person's own scene, from the set's seed and the person's."""
    digest = hashlib.sha256(f"{shared} {person}".encode()).digest()
    return int.from_bytes(digest[:4])


def _fields(index: int, row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in ("subject", "expression", "intensity", "view")}
    return {**kept, "seed": row["recipe"].identity_seed, "index": index}
