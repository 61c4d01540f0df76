"""Does semantic guidance make faces show what was asked for where words and AUs leave it vague?

The hard set asks for expressions by a class phrase alone, or by AUs of intensity A to B. Every
recipe is made without guidance and with it, in the same noise, and the judges, which never guide,
read both. Definitions: docs/semantic-guidance.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synfer_core.evaluation.control_parts import people_of, same_person, unit
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many
from synfer_core.evaluation.gauges import Gauges, Images
from synfer_core.evaluation.pictures import completed
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.models.backbone import Backbone, Generation, Guided
from synfer_core.request import Guidance, Recipe, SemanticOptions

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Guide = Callable[[Recipe, Generation], bool]
"""Whether the classifier that a recipe is guided by reads its expression in what was made."""

KINDS = ("words", "slight")
SHOWN = EXPRESSIONS[1:]
FIRST_IDENTITY = 9_300_000_000
"""Seeds of the people, from here on; no data set has been drawn with these."""
_TUNING_PEOPLE = 1_000_000
"""Settings are tuned on people of their own, from this far on."""

HARD = (0.40, 0.75)
"""Where the judges' accuracy without guidance lies on a hard set."""
LEAST_GAINED = 1 / 3
MOST_TIME = 2.5
MOST_DRIFT = 0.1
_PEOPLE_SHOWN = 2


@dataclass(frozen=True)
class Plan:
    """What to ask for.

    Attributes:
        people: People, each with seven expressions of each kind in one noise.
        kinds: ``words`` (the class phrase alone) and ``slight`` (AUs of the prototype, too).
        low, high: Intensities between which the AUs of an image are drawn, all alike.
        steps: Denoising steps.
        tuning: Take the people on whom settings are tuned.
    """

    people: int = 20
    kinds: tuple[str, ...] = KINDS
    low: float = 1.0
    high: float = 2.0
    steps: int = 20
    tuning: bool = False


@dataclass(frozen=True)
class Arm:
    """One setting of semantic guidance."""

    strength: float
    options: SemanticOptions

    @property
    def name(self) -> str:
        """Such as ``latent both 2 at 0.1-0.7/2``."""
        return f"{self.options.classifier} {self.options.acts_on} {self.strength:g} {self._when}"

    @property
    def setting(self) -> str:
        """All but the strength, such as ``latent both at 0.1-0.7/2``."""
        return f"{self.options.classifier} {self.options.acts_on} {self._when}"

    @property
    def _when(self) -> str:
        o = self.options
        full = "" if o.fade else ", full steps"
        return f"at {o.first:g}-{o.last:g}/{o.every}{full}"

    def guided(self, recipe: Recipe) -> Recipe:
        """A recipe with this guidance.

        Raises:
            RequestError: The recipe has nothing to act on.
        """
        guidance = recipe.guidance.model_dump() | {"semantic": self.strength}
        data = recipe.model_dump(exclude={"guidance", "semantic"}, exclude_unset=True)
        return Recipe(**data, guidance=Guidance(**guidance), semantic=self.options)


def arms(
    strengths: Sequence[float],
    classifiers: Sequence[str],
    acts_on: Sequence[str],
    windows: Sequence[tuple[float, float]],
    every: Sequence[int],
    fade: Sequence[bool],
) -> list[Arm]:
    """Every combination."""
    settings = product(classifiers, acts_on, windows, every, fade, strengths)
    return [
        Arm(strength, _options(classifier=name, acts_on=part, window=window, every=k, fade=fading))
        for name, part, window, k, fading, strength in settings
    ]


def _options(window: tuple[float, float], **others: object) -> SemanticOptions:
    first, last = window
    return SemanticOptions.model_validate({"first": first, "last": last, **others})


def recipes(plan: Plan) -> dict[str, list[Recipe]]:
    """The hard set by kind, without guidance."""
    return {kind: list(_recipes(plan, kind)) for kind in plan.kinds}


def _recipes(plan: Plan, kind: str) -> Iterator[Recipe]:
    rng = np.random.default_rng([1872, plan.tuning])
    first = FIRST_IDENTITY + (_TUNING_PEOPLE if plan.tuning else 0)
    quarters = np.arange(round(plan.low * 4), round(plan.high * 4) + 1) / 4
    for person, expression in product(range(plan.people), SHOWN):
        level = float(rng.choice(quarters))
        yield Recipe(
            aus=dict.fromkeys(PROTOTYPES[expression], level) if kind == "slight" else {},
            expression=expression,
            seed=person,
            identity_seed=first + person,
            steps=plan.steps,
        )


@dataclass(frozen=True)
class Made:
    """The images of one arm, in the order of the recipes, and what was read on them.

    Attributes:
        images: (N, S, S, 3).
        seconds: (N,) from recipe to image.
        read: (N, judges, 8) probabilities.
        codes: (N, code) identity codes of length 1; None without an identity reader.
        guide: (N, classifiers) whether a guiding classifier reads the expression.
    """

    images: Images
    seconds: Floats
    read: Floats
    codes: Floats | None
    guide: NDArray[np.bool_]

    def hits(self, targets: Rows) -> Floats:
        """(N, judges) 1 where a judge reads the target."""
        return np.asarray(self.read.argmax(2) == targets[:, None], np.float64)


@dataclass(frozen=True)
class Compared:
    """One arm beside the same recipes without guidance.

    Attributes:
        arm: Its settings.
        recipes: N recipes, without guidance.
        judges: Names of the judges.
        plain: Without guidance.
        guided: With it.
        draws: Bootstrap samples.
    """

    arm: Arm
    recipes: tuple[Recipe, ...]
    judges: tuple[str, ...]
    plain: Made
    guided: Made
    draws: int = DRAWS

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    @property
    def targets(self) -> Rows:
        """(N,) the expression asked for, as an index."""
        return np.array([EXPRESSIONS.index(_target(r)) for r in self.recipes])

    def _estimates(self, values: Callable[[Rows], list[float]]) -> tuple[Estimate, ...]:
        return bootstrap_many(self.people, lambda r: np.array(values(r)), draws=self.draws)

    def accuracy(self) -> dict[str, dict[str, Estimate]]:
        """By judge, and for their ``mean``: without, with, the gain, and the share gained.

        The last is the gain by what was missing without guidance; it counts as 0 where nothing was.
        """
        before, after = (_with_mean(m.hits(self.targets)) for m in (self.plain, self.guided))
        return {
            name: self._gain(before[:, i], after[:, i])
            for i, name in enumerate((*self.judges, "mean"))
        }

    def _gain(self, before: Floats, after: Floats) -> dict[str, Estimate]:
        def values(rows: Rows) -> list[float]:
            without, with_it = float(before[rows].mean()), float(after[rows].mean())
            gain, missing = with_it - without, 1 - without
            return [without, with_it, gain, gain / missing if missing > 0 else 0.0]

        names = ("without", "with", "gain", "gained")
        return dict(zip(names, self._estimates(values), strict=True))

    def by_guide(self) -> tuple[float, float]:
        """Share in which the guiding classifier reads the expression, without and with guidance."""
        return float(self.plain.guide.mean()), float(self.guided.guide.mean())

    def time(self) -> Estimate:
        """Median seconds with guidance by median seconds without."""

        def values(rows: Rows) -> list[float]:
            before, after = self.plain.seconds[rows], self.guided.seconds[rows]
            return [float(np.median(after) / np.median(before))]

        return self._estimates(values)[0]

    def drift(self) -> dict[str, Estimate] | None:
        """Identity drift without and with guidance, and by what share it rises; None unread.

        Drift is 1 less the mean cosine of the identity codes of two images of one person.
        """
        if self.plain.codes is None or self.guided.codes is None:
            return None
        before, after = (
            1 - same_person(codes, self.people) for codes in (self.plain.codes, self.guided.codes)
        )

        def values(rows: Rows) -> Floats:
            without, with_it = before[rows].mean(), after[rows].mean()
            return np.array([without, with_it, with_it / max(without, 1e-9) - 1])

        found = bootstrap_many(np.arange(len(before)), values, draws=self.draws)
        return dict(zip(("without", "with", "rise"), found, strict=True))

    def reached(self) -> dict[str, bool | None]:
        """Which targets this arm reaches; None where it could not be read."""
        accuracy, drift = self.accuracy(), self.drift()
        return {
            "both_judges_above_zero": all(accuracy[name]["gain"].low > 0 for name in self.judges),
            "third_of_the_missing": accuracy["mean"]["gained"].value >= LEAST_GAINED,
            "time": self.time().value <= MOST_TIME,
            "drift": None if drift is None else drift["rise"].value < MOST_DRIFT,
        }

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        drift, guide = self.drift(), self.by_guide()
        return {
            "strength": self.arm.strength,
            **self.arm.options.model_dump(),
            "accuracy": {name: _jsoned(found) for name, found in self.accuracy().items()},
            "guide": {"without": round(guide[0], 4), "with": round(guide[1], 4)},
            "time": self.time().to_dict(),
            "drift": None if drift is None else _jsoned(drift),
            "reached": self.reached(),
        }

    def take(self, rows: Rows) -> Compared:
        """These rows alone."""
        recipes = tuple(self.recipes[i] for i in rows)
        plain, guided = (_rows(made, rows) for made in (self.plain, self.guided))
        return Compared(self.arm, recipes, self.judges, plain, guided, self.draws)


def _target(recipe: Recipe) -> Expression:
    assert recipe.expression is not None
    return recipe.expression


def _with_mean(hits: Floats) -> Floats:
    """(N, judges + 1): the last column is the mean over the judges."""
    return np.concatenate([hits, hits.mean(1, keepdims=True)], axis=1)


def _rows(made: Made, rows: Rows) -> Made:
    codes = None if made.codes is None else made.codes[rows]
    return Made(made.images[rows], made.seconds[rows], made.read[rows], codes, made.guide[rows])


def _jsoned(found: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_dict() for name, estimate in found.items()}


@dataclass(frozen=True)
class Semantic:
    """All arms on one set of recipes.

    Attributes:
        plan: What was asked for.
        kinds: (N,) the kind of each recipe.
        arms: Each beside the same recipes without guidance.
        weights_sha256: The weights that made the images, without guidance.
        gauges_sha256: SHA-256 of the readers' files.
    """

    plan: Plan
    kinds: NDArray[np.str_]
    arms: tuple[Compared, ...]
    weights_sha256: str | None
    gauges_sha256: Mapping[str, str]

    @cached_property
    def baseline(self) -> dict[str, float]:
        """By kind, and for ``all``: the judges' mean accuracy without guidance."""
        first = self.arms[0]
        hits = first.plain.hits(first.targets).mean(1)
        found = {str(kind): float(hits[self.kinds == kind].mean()) for kind in self.plan.kinds}
        return found | {"all": float(hits.mean())}

    @property
    def hard(self) -> bool:
        """Whether the set is hard: neither hopeless nor easy without guidance."""
        return HARD[0] <= self.baseline["all"] <= HARD[1]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "images": len(self.kinds) * (1 + len(self.arms)),
            "recipes": len(self.kinds),
            "people": self.plan.people,
            "intensity": [self.plan.low, self.plan.high],
            "tuning": self.plan.tuning,
            "weights_sha256": self.weights_sha256,
            "gauges_sha256": dict(self.gauges_sha256),
            "baseline": {kind: round(value, 4) for kind, value in self.baseline.items()},
            "hard": self.hard,
            "arms": [arm.to_dict() | {"kinds": self._by_kind(arm)} for arm in self.arms],
        }

    def _by_kind(self, arm: Compared) -> dict[str, Any]:
        """By kind, the mean judge's figures."""
        parts = {str(k): arm.take(np.flatnonzero(self.kinds == k)) for k in self.plan.kinds}
        return {kind: _jsoned(part.accuracy()["mean"]) for kind, part in parts.items()}

    def lines(self) -> list[str]:
        """The figures in words: the set, then each arm, the largest gain first."""
        kinds = ", ".join(f"{kind} {value:.3f}" for kind, value in self.baseline.items())
        low, high = HARD
        is_hard = "hard" if self.hard else f"not hard: {low:.0%} to {high:.0%} would be"
        ranked = sorted(self.arms, key=lambda a: -a.accuracy()["mean"]["gain"].value)
        head = f"{len(self.kinds)} recipes; read without guidance: {kinds} ({is_hard})"
        return [head, *(line for arm in ranked for line in _lines(arm))]

    def sheet(self) -> bytes:
        """The first people without guidance and under each arm, as JPEG.

        Frames and words say what the judges read on average.
        """
        shown = [rows for kind in self.plan.kinds for rows in self._first_people(kind)]
        cells = [(rows, made) for rows in shown for made in self._rows_of_sheet()]
        targets = self.arms[0].targets
        return contact_sheet(
            [[made.images[i] for i in rows] for rows, (_, made) in cells],
            row_names=[name for _, (name, _) in cells],
            column_names=SHOWN,
            marks=[[mark(made.read[i], targets[i]) for i in rows] for rows, (_, made) in cells],
        )

    def _first_people(self, kind: str) -> list[Rows]:
        rows, count = np.flatnonzero(self.kinds == kind), len(SHOWN)
        return [rows[i : i + count] for i in range(0, len(rows), count)][:_PEOPLE_SHOWN]

    def _rows_of_sheet(self) -> list[tuple[str, Made]]:
        arms = [(f"{a.arm.options.classifier} {a.arm.strength:g}", a.guided) for a in self.arms]
        return [("without", self.arms[0].plain), *arms]


def mark(read: Floats, target: int) -> tuple[bool, str]:
    """Whether the mean judge reads the target in (judges, 8), and what it reads, for a sheet."""
    mean = read.mean(0)
    return int(mean.argmax()) == target, f"{EXPRESSIONS[mean.argmax()]} {mean.max():.2f}"


def _lines(arm: Compared) -> list[str]:
    accuracy, drift, guide = arm.accuracy(), arm.drift(), arm.by_guide()
    judges = [
        f"  {name}: {found['without'].value:.3f} to {found['with'].value:.3f}, "
        f"gain {found['gain']}, of what was missing {found['gained']}"
        for name, found in accuracy.items()
    ]
    person = "unread (identity.safetensors)" if drift is None else f"{drift['rise']}"
    return [
        f"{arm.arm.name}",
        *judges,
        f"  its own classifier: {guide[0]:.3f} to {guide[1]:.3f}",
        f"  time {arm.time()} times; identity drift rises by {person}",
    ]


def by_guide(model: Guided) -> Guide:
    """The model's own guiding classifiers, which judge nothing: they show over-optimisation."""

    @torch.no_grad()
    def reads(recipe: Recipe, made: Generation) -> bool:
        logits = model.reader(recipe)(made.latents)
        return int(logits[0].argmax()) == EXPRESSIONS.index(_target(recipe))

    return reads


def measure(
    backbone: Backbone,
    gauges: Gauges,
    plan: Plan,
    chosen: Sequence[Arm],
    guide: Guide,
    *,
    tell: Callable[[int, int], None],
    draws: int = DRAWS,
) -> Semantic:
    """Make every recipe without guidance and under each arm, one after the other, and read it.

    Args:
        backbone: The model under test.
        gauges: The readers; none of them guides.
        plan: What to ask for.
        chosen: Settings of guidance, at least one.
        guide: Reads with an arm's own classifier.
        tell: Called with images made and in all.
        draws: Bootstrap samples.

    Raises:
        RequestError: A recipe cannot be guided so; nothing is made then.
    """
    asked = recipes(plan)
    flat = [recipe for part in asked.values() for recipe in part]
    kinds = np.repeat(list(asked), [len(part) for part in asked.values()])
    guided = [[completed(backbone, arm.guided(recipe)) for arm in chosen] for recipe in flat]
    bench = _Bench(backbone, guide, tell, len(flat) * (1 + len(chosen)))
    shots = [bench.shoot(recipe, arms) for recipe, arms in zip(flat, guided, strict=True)]
    plain, *made = (_made(column, gauges) for column in zip(*shots, strict=True))
    compared = tuple(
        Compared(arm, tuple(flat), tuple(gauges.judges), _seen_by(plain, i), after, draws)
        for i, (arm, after) in enumerate(zip(chosen, made, strict=True))
    )
    weights = completed(backbone, flat[0]).weights_sha256
    return Semantic(plan, kinds, compared, weights, gauges.sha256)


@dataclass(frozen=True)
class _Shot:
    """An image, the seconds it took, and what each guiding classifier asked reads."""

    image: NDArray[np.uint8]
    seconds: float
    guide: tuple[bool, ...]


class _Bench:
    """Makes one recipe all ways, side by side in time, so that other load falls on all alike."""

    def __init__(
        self, backbone: Backbone, guide: Guide, tell: Callable[[int, int], None], total: int
    ):
        self._backbone, self._guide = backbone, guide
        self._tell, self._total, self._done = tell, total, 0

    def shoot(self, recipe: Recipe, guided: Sequence[Recipe]) -> list[_Shot]:
        """The recipe without guidance, read by each one's classifier, and each one guided."""
        plain = self._shot(completed(self._backbone, recipe), guided)
        return [plain, *(self._shot(one, [one]) for one in guided)]

    def _shot(self, recipe: Recipe, readers: Sequence[Recipe]) -> _Shot:
        start = time.perf_counter()
        *_, made = self._backbone.stream(recipe)
        seconds = time.perf_counter() - start
        assert isinstance(made, Generation)
        self._done += 1
        self._tell(self._done, self._total)
        return _Shot(made.image, seconds, tuple(self._guide(one, made) for one in readers))


def _seen_by(plain: Made, arm: int) -> Made:
    """The images without guidance, with what one arm's classifier reads."""
    return replace(plain, guide=plain.guide[:, arm : arm + 1])


def _made(shots: Sequence[_Shot], gauges: Gauges) -> Made:
    images = np.stack([shot.image for shot in shots])
    read = np.stack([judge(images) for judge in gauges.judges.values()], axis=1)
    return Made(
        images=images,
        seconds=np.array([shot.seconds for shot in shots]),
        read=read.astype(np.float64),
        codes=None if gauges.identity is None else unit(gauges.identity(images)),
        guide=np.array([shot.guide for shot in shots]),
    )
