"""What `synfer eval control` asks for: recipes by part, and who is in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import count, product

import numpy as np
from numpy.typing import NDArray

from synfer_core.conditioning import traits_in
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.identity import Identity, draw_identity
from synfer_core.facekit.palette import SKIN_WORDS
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, MAX_INTENSITY, PROTOTYPES
from synfer_core.models.attributes import SKIN_TONES, classes_of
from synfer_core.request import Recipe

PARTS = ("aus", "one-sided", "words", "identity", "presets", "ramps")
USUAL = PARTS[:-1]
"""What is measured unless parts are named."""

UNITS: tuple[str, ...] = tuple(unit.key for unit in ACTION_UNITS.values())
SIDED: tuple[int, ...] = tuple(number for number, unit in ACTION_UNITS.items() if unit.sided)
DISFA: tuple[str, ...] = tuple(f"AU{n}" for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))
"""The units of DISFA (Mavadati et al. 2013), over which the median is taken."""

FIRST_IDENTITY = 9_100_000_000
"""Seeds of the people, from here on; data sets draw theirs below 2**31."""
_PRESET_PEOPLE, _SIDED_PEOPLE, _WORD_PEOPLE = 1_000_000, 2_000_000, 3_000_000
_RAMP_PEOPLE = 4_000_000
"""Each part has people of its own, from this far on."""

PER_PERSON = 5
STEPS_A_POINT = 4
ALONE = 4.0
"""Intensity of a side set alone."""

_FANO = (0, 1, 3)
"""Shifted by 0 to 6, modulo 7: each pair of the seven expressions meets in exactly one person."""

_WORDS = {
    "hair": ("black", "brown", "red", "blonde", "grey"),
    "skin": ("fair", "tan", "deep brown"),
}


@dataclass(frozen=True)
class Plan:
    """How much to ask for.

    Attributes:
        images: Images with independent AUs, five a person.
        active: Chance that a unit of `DISFA` is active in an image.
        active_others: The same of the other units.
        preset_people: People who show three presets each; a multiple of 7 balances the presets.
        sided_repeats: Images, each of another person, for each unit and side.
        word_images: Images with words, each of another person.
        ramp_people: People who show each unit alone at 1 to 5, and nothing.
        steps: Denoising steps.
    """

    images: int = 300
    active: float = 0.5
    active_others: float = 0.1
    preset_people: int = 28
    sided_repeats: int = 2
    word_images: int = 64
    ramp_people: int = 6
    steps: int = 20


def mixes(plan: Plan, backbone: str) -> list[Recipe]:
    """Images in which each unit is drawn independently of the others, on both sides alike.

    An active unit is uniform in steps of a quarter point up to 5. No words, no expression; a person
    keeps one noise seed, so that a neutral image can be compared.
    """
    rng = np.random.default_rng(1978)
    levels = round(MAX_INTENSITY * STEPS_A_POINT)
    shape = (plan.images, len(UNITS))
    chances = [plan.active if key in DISFA else plan.active_others for key in UNITS]
    drawn = (rng.random(shape) < chances) * rng.integers(1, levels + 1, shape) / STEPS_A_POINT
    return [
        Recipe(
            backbone=backbone,
            aus=dict(zip(UNITS, map(float, values), strict=True)),
            seed=index // PER_PERSON,
            identity_seed=FIRST_IDENTITY + index // PER_PERSON,
            steps=plan.steps,
        )
        for index, values in enumerate(drawn)
    ]


def neutral_of(recipe: Recipe) -> Recipe:
    """The same person in the same noise with every unit at 0."""
    return recipe.model_copy(update={"aus": dict.fromkeys(UNITS, 0.0)})


def presets(plan: Plan, backbone: str) -> list[Recipe]:
    """Three of the seven expressions by preset for each person, another noise each time."""
    shown = EXPRESSIONS[1:]
    return [
        Recipe(
            backbone=backbone,
            aus=dict(PROTOTYPES[shown[(person + step) % len(shown)]]),
            expression=shown[(person + step) % len(shown)],
            seed=len(_FANO) * person + place,
            identity_seed=FIRST_IDENTITY + _PRESET_PEOPLE + person,
            steps=plan.steps,
        )
        for person in range(plan.preset_people)
        for place, step in enumerate(_FANO)
    ]


def one_sided(plan: Plan, backbone: str) -> list[Recipe]:
    """Each sided unit at 4 on one side with everything else at 0, each time another person."""
    keys = [f"AU{side}{n}" for n in SIDED for side in "LR"] * plan.sided_repeats
    return [
        Recipe(
            backbone=backbone,
            aus={key: ALONE},
            seed=index,
            identity_seed=FIRST_IDENTITY + _SIDED_PEOPLE + index,
            steps=plan.steps,
        )
        for index, key in enumerate(keys)
    ]


def ramps(plan: Plan, backbone: str) -> list[Recipe]:
    """Each unit alone at 1 to 5 and everything at 0, person by person."""
    shown = [{}, *({key: float(level)} for key in UNITS for level in range(1, 6))]
    return [
        Recipe(
            backbone=backbone,
            aus={**dict.fromkeys(UNITS, 0.0), **aus},
            seed=person,
            identity_seed=FIRST_IDENTITY + _RAMP_PEOPLE + person,
            steps=plan.steps,
        )
        for person in range(plan.ramp_people)
        for aus in shown
    ]


def words(plan: Plan, backbone: str) -> list[Recipe]:
    """Prompts that name skin, hair, for men the beard, and for half of the people glasses.

    Glasses that are not named are not wanted: captions of the training data name every pair, and
    people whom the exact renderer would give a pair of their own are passed over.
    """
    seeds = count(FIRST_IDENTITY + _WORD_PEOPLE)
    recipes = []
    for index in range(plan.word_images):
        tried = (_worded(plan, backbone, index, seed) for seed in seeds)
        recipes.append(next(recipe for recipe in tried if person_of(recipe).glasses == "none"))
    return recipes


def _worded(plan: Plan, backbone: str, index: int, identity: int) -> Recipe:
    return Recipe(
        backbone=backbone,
        text=_prompt(index),
        seed=index,
        identity_seed=identity,
        steps=plan.steps,
    )


def _prompt(index: int) -> str:
    """Attributes in all combinations, as the index counts up."""
    glasses, man, bearded = (bool(index >> bit & 1) for bit in range(3))
    hair = _WORDS["hair"][index % len(_WORDS["hair"])]
    skin = _WORDS["skin"][index % len(_WORDS["skin"])]
    who, length = ("man", "short") if man else ("woman", "long")
    beard = (", a full beard" if bearded else ", clean-shaven") if man else ""
    return (
        f"Portrait of a {who} with {skin} skin with {length} {hair} hair{beard}"
        f"{', glasses' if glasses else ''}"
    )


def asked_units(recipe: Recipe) -> NDArray[np.float64]:
    """(22,) intensities 0-5 asked for by both-sides keys, in the order of `UNITS`."""
    return np.array([recipe.action_units.get(key, 0.0) for key in UNITS])


def asked_classes(recipe: Recipe) -> dict[str, int]:
    """Classes of the attributes that the text asks for; women are asked nothing of beards."""
    named = attributes_in(recipe.text)
    skin = SKIN_WORDS.index(named["skin_word"]) + 1 if "skin_word" in named else None
    return classes_of({"glasses": "none", **named, "skin_tone": skin})


def person_of(recipe: Recipe) -> Identity:
    """The person asked for: drawn by the identity seed, with what the words name."""
    seed = recipe.identity_seed if recipe.identity_seed is not None else recipe.seed
    return _drawn(seed, recipe.text)


@lru_cache(maxsize=4096)
def _drawn(seed: int, text: str) -> Identity:
    """A person; each of a measurement's recipes asks for theirs many times."""
    return draw_identity(seed, **traits_in(text))


GROUPS: dict[str, tuple[str, ...]] = {
    "skin_tone": tuple(SKIN_TONES),
    "sex": ("woman", "man"),
    "age": ("young", "middle-aged", "older"),
}
"""How people are split up: apparent skin tone, sex and age of the person asked for."""


def groups_of(recipe: Recipe) -> dict[str, str]:
    """The person's group in each of `GROUPS`."""
    person = person_of(recipe)
    tone = next(name for name, steps in SKIN_TONES.items() if person.skin.step in steps)
    return {"skin_tone": tone, "sex": person.sex, "age": person.age_word}


INEVITABLE: frozenset[tuple[str, str]] = frozenset(
    (f"AU{asked}", f"AU{moved}")
    for asked, others in {
        1: (4,),
        9: (4, 10),
        10: (9, 25),
        22: (25,),
        23: (18, 24, 28),
        24: (23, 28),
        26: (25, 27),
        27: (25, 26, 20),
        28: (23, 24, 25),
        43: (5, 6, 7),
    }.items()
    for asked, moved in product((asked,), others)
)
"""Pairs (asked, moved) that the exact renderer couples too, since faces do: shared shapes, lips
that part with the jaw, closed eyes that hide the lids. Named in the figures, not left out."""
