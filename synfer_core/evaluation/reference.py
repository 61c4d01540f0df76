"""Pictures side by side with exact renders of the same recipes.

Each recipe asks for a full prototype on a person whom no network has seen. Its exact render is the
truth; the same recipe without action units, rendered, is the reference that a model may start
from. Copying that reference, and moving it by the exact flow, are what a model has to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synfer_core.conditioning import au_target
from synfer_core.decoding import to_images, to_tensor
from synfer_core.evaluation import nearness
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many
from synfer_core.evaluation.nearness import REGIONS, Distance, Pixels
from synfer_core.evaluation.pictures import maker
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, eye_centres
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models.backbone import Backbone
from synfer_core.models.exact import scene_of
from synfer_core.reference import sampling
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.denoiser import ReferenceContext
from synfer_core.reference.warp import UNIT, resized
from synfer_core.request import Recipe

FIRST_IDENTITY = 9_700_000_000
"""Seeds of the people, from here on; data sets draw theirs below 2**31."""

FIGURES = (*REGIONS, "ms-ssim", "photo features")
COPY, MOVED, EXACT = "reference copied", "exact flow", "exact"
CLOSED_WARP, CLOSED = "closed-form warp", "closed form"
ONE_STEP, FOUR_STEPS = "one-step mean", "four steps"
_SHEET_PEOPLE = 12

Floats = NDArray[np.float64]
Tell = Callable[[int, int], None]
Glasses = Callable[[Pixels], float]
"""Probability that the person in a picture (S, S, 3) wears glasses."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        people: Each with one expression; the seven come in turn.
        size: Pixels on a side.
        steps: Denoising steps of a model.
    """

    people: int = 200
    size: int = 128
    steps: int = 20


@dataclass(frozen=True, eq=False)
class Case:
    """One recipe with its truth.

    Attributes:
        recipe: For the exact renderer.
        exact: Its render (S, S, 3).
        reference: The same scene, neutral (S, S, 3).
        offset: (S, S, 2) exact flow from `exact` to `reference`.
        where: By region, its pixels in either (S, S).
        eyes: (2, 2) eye centres in `exact`.
        bare: Whether the person wears no glasses.
    """

    recipe: Recipe
    exact: Pixels
    reference: Pixels
    offset: NDArray[np.float32]
    where: Mapping[str, nearness.Mask]
    eyes: NDArray[np.float32]
    bare: bool


Method = Callable[[Case], Pixels]
"""Makes the picture of a case; it may use the reference and the recipe."""

BASELINES: Mapping[str, Method] = {
    COPY: lambda case: case.reference,
    MOVED: lambda case: nearness.warped(case.reference, case.offset),
}


def recipes(plan: Plan) -> list[Recipe]:
    """One for the exact renderer for each person."""
    shown = EXPRESSIONS[1:]
    return [
        Recipe(
            backbone="facekit",
            aus=dict(PROTOTYPES[shown[person % len(shown)]]),
            expression=shown[person % len(shown)],
            seed=person,
            identity_seed=FIRST_IDENTITY + person,
            steps=plan.steps,
        )
        for person in range(plan.people)
    ]


def case_of(renderer: Renderer, recipe: Recipe, size: int) -> Case:
    """Render a recipe and its reference."""
    scene, neutral = scene_of(recipe), scene_of(recipe.model_copy(update={"aus": {}}))
    (exact, reference), (flow,) = renderer.render_with_flows([scene, neutral], [(0, 1)], size)
    points, there = (renderer.landmarks(one, size) for one in (scene, neutral))
    return Case(
        recipe=recipe,
        exact=exact,
        reference=reference,
        offset=flow.offset,
        where=nearness.either(nearness.regions(points, size), nearness.regions(there, size)),
        eyes=eye_centres(points),
        bare=_bare(scene),
    )


def _bare(scene: Scene) -> bool:
    return scene.styling.glasses == "none"


def models(backbones: Iterable[Backbone]) -> dict[str, Method]:
    """Backbones as methods, each given the recipe alone; of the model around a reference also the
    closed form that it starts from, its one-step mean, and four steps."""
    methods: dict[str, Method] = {}
    for backbone in backbones:
        methods[backbone.capabilities.name] = _making(backbone)
        if isinstance(backbone, ReferenceBackbone):
            methods |= _around(backbone)
    return methods


def _making(backbone: Backbone, **fields: Any) -> Method:
    """A backbone at the size of the case; smaller pictures are enlarged to it."""
    make = maker(backbone)
    asked = {"backbone": backbone.capabilities.name, **fields}

    def made(case: Case) -> Pixels:
        size = len(case.exact)
        sized = {"size": size} if backbone.capabilities.sizes else {}
        image = make(case.recipe.model_copy(update={**asked, **sized}))
        if len(image) != size:
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        return image

    return made


def _around(backbone: ReferenceBackbone) -> dict[str, Method]:
    """What the model around a reference makes on the way."""
    latents = backbone.model.prior.latents

    def decoded(case: Case, change: Callable[[ReferenceContext], Tensor]) -> Pixels:
        reference = to_tensor(case.reference[None])
        with torch.no_grad():
            context = backbone.model.context(resized(reference, UNIT), au_target(case.recipe))
            image: Pixels = to_images(latents.decode(reference, change(context)))[0]
        return image

    def moved(context: ReferenceContext) -> Tensor:
        mean = context.guess.mean.clone()
        mean[..., latents.config.flow :] = 0
        return mean

    def mean(context: ReferenceContext) -> Tensor:
        denoise = sampling.plain(backbone.model.denoiser, context)
        return sampling.sampled(denoise, sampling.noise(1, latents.shape, seed=1), 1)

    return {
        CLOSED_WARP: lambda case: decoded(case, moved),
        CLOSED: lambda case: decoded(case, lambda context: context.guess.mean),
        ONE_STEP: lambda case: decoded(case, mean),
        FOUR_STEPS: _making(backbone, steps=4),
    }


@dataclass(frozen=True)
class Seen:
    """What was measured.

    Attributes:
        methods: Names of the K methods, `COPY` first.
        values: (K, N, len(FIGURES)).
        ghosts: (K + 1, M) glasses seen on the people who wear none, last in exact renders.
        rows: Pictures of the first people, for the sheet.
        draws: Bootstrap samples.
    """

    methods: tuple[str, ...]
    values: Floats
    ghosts: NDArray[np.bool_]
    rows: tuple[tuple[Pixels, ...], ...]
    plan: Plan
    draws: int = DRAWS

    def figures(self) -> dict[str, dict[str, Estimate]]:
        """By method, each figure's mean over people."""
        return {
            name: self._means(values)
            for name, values in zip(self.methods, self.values, strict=True)
        }

    def gains(self) -> dict[str, dict[str, Estimate]]:
        """By method but copying, what is above copying, on the same people."""
        copied = self.values[0]
        others = zip(self.methods[1:], self.values[1:], strict=True)
        return {name: self._means(values - copied) for name, values in others}

    def _means(self, values: Floats) -> dict[str, Estimate]:
        people = np.arange(len(values))
        found = bootstrap_many(people, lambda rows: values[rows].mean(0), draws=self.draws)
        return dict(zip(FIGURES, found, strict=True))

    def ghosts_of(self) -> dict[str, str]:
        """By method and for exact renders, glasses seen on how many people without."""
        counts = zip((*self.methods, EXACT), self.ghosts, strict=True)
        return {name: f"{int(seen.sum())} of {len(seen)}" for name, seen in counts}

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        parts = {"figures": self.figures(), "above copying": self.gains()}
        told = {
            part: {
                name: {what: value.to_dict() for what, value in values.items()}
                for name, values in by_name.items()
            }
            for part, by_name in parts.items()
        }
        return {**vars(self.plan), **told, "glasses where none are": self.ghosts_of()}

    def lines(self) -> list[str]:
        """For the terminal."""
        gains, ghosts = self.gains(), self.ghosts_of()
        told = [f"{self.plan.people} people, {self.plan.size} px; dB by region, then likeness"]
        for name, values in self.figures().items():
            told.append(f"{name}: glasses where none are {ghosts[name]}")
            for what, value in values.items():
                above = f", above copying {gains[name][what]}" if name in gains else ""
                told.append(f"  {what}: {value}{above}")
        return [*told, f"{EXACT} renders: glasses where none are {ghosts[EXACT]}"]

    def sheet(self) -> bytes:
        """A JPEG: the first people in rows, reference and truth, then what each method made."""
        names = [row[0] for row in self._named()]
        columns = ["reference", EXACT, *self.methods[1:]]
        pictures = [row[1] for row in self._named()]
        return contact_sheet(pictures, row_names=names, column_names=columns)

    def _named(self) -> Iterator[tuple[str, tuple[Pixels, ...]]]:
        for recipe, row in zip(recipes(self.plan), self.rows, strict=False):
            yield recipe.expression or "", row


def measure(
    renderer: Renderer,
    methods: Mapping[str, Method],
    plan: Plan,
    distance: Distance,
    glasses: Glasses,
    *,
    tell: Tell,
    draws: int = DRAWS,
) -> Seen:
    """Make and compare the pictures of all recipes.

    Args:
        methods: By name, beside `BASELINES`.
        distance: In features of a network that took no part.
        glasses: The attribute judge.
        tell: Called with recipes done and in all.
    """
    everything = {**BASELINES, **methods}
    values: list[Floats] = []
    ghosts, rows = [], []
    for done, recipe in enumerate(recipes(plan), 1):
        case = case_of(renderer, recipe, plan.size)
        made = [method(case) for method in everything.values()]
        values.append(np.array([_row(picture, case, distance) for picture in made]))
        if case.bare:
            ghosts.append([glasses(picture) > 0.5 for picture in (*made, case.exact)])
        if done <= _SHEET_PEOPLE:
            rows.append((case.reference, case.exact, *made[1:]))
        tell(done, plan.people)
    seen = np.array(ghosts, bool).reshape(-1, len(everything) + 1).T
    return Seen(tuple(everything), np.stack(values, 1), seen, tuple(rows), plan, draws)


def _row(made: Pixels, case: Case, distance: Distance) -> list[float]:
    found = nearness.measures(made, case.exact, case.where, case.eyes, distance)
    return [found[name] for name in FIGURES]
