"""The rows of `synfer eval ablation`: what each part of the method adds to a recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from synfer_core.enrichment import enrich_recipe
from synfer_core.evaluation.semantic import Arm
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.request import USUAL_STRENGTH, Recipe, SemanticOptions

FIRST_IDENTITY = 9_600_000_000
"""Seeds of the people, from here on; no data set has been drawn with these."""
OTHERS = 1_000_000
"""From this far on, people whose renders say how far apart two sets of renders lie."""

WORDS: Mapping[Expression, str] = MappingProxyType(
    {
        "neutral": "neutral",
        "happiness": "happy",
        "sadness": "sad",
        "surprise": "surprised",
        "fear": "fearful",
        "disgust": "disgusted",
        "anger": "angry",
        "contempt": "contemptuous",
    }
)
"""What a face of each expression is called, in the words of the training captions."""

EXACT = "exact"
_FACE = "a face"


@dataclass(frozen=True)
class Part:
    """One row.

    Attributes:
        after: The row that it adds to; None for the first.
        enriched: Whether the prompt is a detailed one.
        aus: Whether the prototype's AUs are asked for.
        arm: Semantic guidance, if any.
    """

    after: str | None
    enriched: bool = True
    aus: bool = True
    arm: Arm | None = None

    @property
    def guide(self) -> str | None:
        """The classifier that it needs."""
        return self.arm.options.classifier if self.arm else None


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "base": Part(None, enriched=False, aus=False),
        "+prompt": Part("base", aus=False),
        "+aus": Part("+prompt"),
        "+semantic": Part("+aus", arm=Arm(USUAL_STRENGTH, SemanticOptions())),
        # As in the paper: the decoded image is read, words alone move, and by full steps.
        "+paper": Part(
            "+aus",
            arm=Arm(
                USUAL_STRENGTH, SemanticOptions(classifier="image", acts_on="text", fade=False)
            ),
        ),
    }
)
"""The rows by name, in order."""

USUAL = ("base", "+prompt", "+aus", "+semantic")


@dataclass(frozen=True)
class Plan:
    """How much to ask for.

    Attributes:
        people: People, each with eight expressions in one noise.
        steps: Denoising steps.
        rows: From `PARTS`.
    """

    people: int = 50
    steps: int = 20
    rows: tuple[str, ...] = USUAL


def before(name: str, present: Collection[str]) -> tuple[str, ...]:
    """The rows that a row is compared with: the nearest before it that is there, and the first."""
    earlier = PARTS[name].after
    found: list[str] = []
    while earlier is not None:
        if earlier in present and (not found or PARTS[earlier].after is None):
            found.append(earlier)
        earlier = PARTS[earlier].after
    return tuple(found)


def recipes(plan: Plan, name: str) -> list[Recipe]:
    """The recipes of a row, person by person, in the order of `EXPRESSIONS`."""
    shown = product(range(plan.people), EXPRESSIONS)
    return [_recipe(PARTS[name], plan, person, expression) for person, expression in shown]


def _recipe(part: Part, plan: Plan, person: int, expression: Expression) -> Recipe:
    seeds = {"seed": person, "identity_seed": FIRST_IDENTITY + person, "steps": plan.steps}
    if not part.enriched:
        return Recipe.parse({"text": plain_prompt(expression), **seeds})
    recipe, _ = enrich_recipe(Recipe.parse({"text": _FACE, "expression": expression, **seeds}))
    if part.aus:
        recipe = with_prototype(recipe, expression)
    return part.arm.guided(recipe) if part.arm else recipe


def plain_prompt(expression: Expression) -> str:
    """Such as ``a happy face``."""
    word = WORDS[expression]
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word} face"


def with_prototype(recipe: Recipe, expression: Expression) -> Recipe:
    """The recipe with the AUs of an expression; those of neutral are all absent, which is said."""
    aus = PROTOTYPES[expression]
    return recipe.model_copy(update={"aus": dict(aus)} if aus else {"facs": ""})


def renders(plan: Plan, *, others: bool = False) -> list[Recipe]:
    """The same people and expressions for the exact renderer, or as many other people."""
    first = FIRST_IDENTITY + (OTHERS if others else 0)
    return [
        Recipe(
            backbone="facekit",
            aus=dict(PROTOTYPES[expression]),
            expression=expression,
            seed=person + (OTHERS if others else 0),
            identity_seed=first + person,
        )
        for person, expression in product(range(plan.people), EXPRESSIONS)
    ]
