"""Does inversion bring a face back, and does an edit change what was asked and nothing else?

References are exact renders of people whom no network has seen, each with AUs of its own. Every
edit asks for other AUs, drawn independently; the exact renderer draws the same edit, which is the
truth that an edit should come to. Definitions: docs/editing.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core import editing
from synfer_core.decibels import psnr
from synfer_core.evaluation import control_plan
from synfer_core.evaluation.agreement import spearman
from synfer_core.evaluation.control_parts import people_of, scored_units, unit
from synfer_core.evaluation.control_plan import DISFA, UNITS
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap, bootstrap_many
from synfer_core.evaluation.gauges import Gauges, Images, both_sides
from synfer_core.evaluation.pictures import Make, completed
from synfer_core.evaluation.round_trips import way_of
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import format_facs
from synfer_core.models.backbone import Backbone
from synfer_core.report import Pixels
from synfer_core.request import Recipe

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Tell = Callable[[int, int], None]

FIRST_IDENTITY = 9_400_000_000
"""Seeds of the people, from here on; no data set has been drawn with these."""
REFINEMENTS = (0, editing.REFINE)
DEPTHS = (editing.DEPTH, 1.0)
LEAST_BACK = 31.0
"""Decibels at which a round trip is to come back."""
MOST_GAP = 0.05
LEAST_ALIKE = 0.9
_DISFA = np.array([UNITS.index(key) for key in DISFA])
_UNCHANGED = 3
"""Values of 255 by which a pixel of the exact edit may differ and still count as unchanged."""
_SHOWN_PEOPLE = 8
_NO_IDENTITY = "identity: these weights have no identity reader (identity.safetensors)"


@dataclass(frozen=True)
class Plan:
    """What to ask for.

    Attributes:
        people: People, each with one reference.
        edits: Edits of each reference.
        active, active_others: As in `control_plan.Plan`.
        steps: Denoising steps.
        depth: `Recipe.inversion_depth` of the edits.
        keep: `Recipe.keep` of the edits.
        known: Whether edits are told who the reference shows and which AUs.
    """

    people: int = 100
    edits: int = 2
    active: float = 0.5
    active_others: float = 0.1
    steps: int = 20
    depth: float | None = None
    keep: float | None = None
    known: bool = False


def sources(plan: Plan) -> list[Recipe]:
    """One recipe for the exact renderer for each person; every second one has AUs of its own, the
    others are neutral."""
    return [
        Recipe(
            backbone="facekit",
            aus=aus if i % 2 == 0 else dict.fromkeys(UNITS, 0.0),
            seed=i,
            identity_seed=FIRST_IDENTITY + i,
        )
        for i, aus in enumerate(_mixes(plan)[: plan.people])
    ]


def targets(plan: Plan) -> list[Recipe]:
    """The edits as recipes for the exact renderer, person by person: the truth of each."""
    people, mixes = sources(plan), _mixes(plan)[plan.people :]
    return [people[i // plan.edits].model_copy(update={"aus": aus}) for i, aus in enumerate(mixes)]


def _mixes(plan: Plan) -> list[Mapping[str, float]]:
    count = plan.people * (1 + plan.edits)
    asked = control_plan.Plan(count, plan.active, plan.active_others)
    return [recipe.aus for recipe in control_plan.mixes(asked, "facekit")]


def known(plan: Plan, source: Recipe) -> dict[str, Any]:
    """What the edits of a source are told of it, as recipe fields."""
    if not plan.known:
        return {}
    return {"identity_seed": source.identity_seed, "reference_aus": source.aus}


def edit_of(plan: Plan, source: Recipe, target: Recipe, reference: Pixels) -> Recipe:
    """The edit of a reference (S, S, 3), a render of `source`, that should come to `target`."""
    return Recipe(
        aus=target.aus,
        reference=editing.reference_of(reference),
        **known(plan, source),
        inversion_depth=plan.depth,
        keep=plan.keep,
        steps=plan.steps,
    )


def plain_of(plan: Plan, target: Recipe) -> Recipe:
    """Plain generation of the same person with the same AUs, to compare an edit with."""
    return target.model_copy(update={"backbone": "builtin", "steps": plan.steps})


@dataclass(frozen=True)
class RoundTrips:
    """How references come back, unedited; row i of every array is one reference.

    Attributes:
        people: (N,) who is in it.
        codec: (N,) PSNR of what the latents alone keep, in dB.
        trips: By depth and refinement, (N,) PSNR of the round trip.
        images: (N, S, S, 3) what came back, at the default depth with refinement.
    """

    people: Rows
    codec: Floats
    trips: Mapping[tuple[float, int], Floats]
    images: Images

    @classmethod
    def measure(cls, model: Backbone, plan: Plan, references: Images, tell: Tell) -> RoundTrips:
        """Send references (N, S, S, 3), renders of `sources`, there and back."""
        given, rows = sources(plan), []
        for index, (source, reference) in enumerate(zip(given, references, strict=True)):
            rows.append(trips(model, plan, source, reference))
            tell(index + 1, len(references))
        own = [psnr(r, row.codec) for r, row in zip(references, rows, strict=True)]
        return cls(
            people_of(given),
            np.array(own),
            {
                key: np.array(
                    [psnr(r, row.back[key]) for r, row in zip(references, rows, strict=True)]
                )
                for key in product(DEPTHS, REFINEMENTS)
            },
            np.stack([row.back[editing.DEPTH, editing.REFINE] for row in rows]),
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "codec": self._mean(self.codec).to_dict(),
            "least_back": LEAST_BACK,
            "trips": [
                {
                    "depth": depth,
                    "refine": refine,
                    "psnr": self._mean(found).to_dict(),
                    "lost": self._mean(self.codec - found).to_dict(),
                    "most_lost": round(float((self.codec - found).max()), 2),
                }
                for (depth, refine), found in self.trips.items()
            ],
        }

    def _mean(self, values: Floats) -> Estimate:
        return bootstrap(self.people, lambda rows: float(values[rows].mean()))


@dataclass(frozen=True)
class Trips:
    """What comes back of one reference.

    Attributes:
        codec: (S, S, 3) from its latents alone.
        back: By depth and refinement, (S, S, 3).
    """

    codec: Pixels
    back: Mapping[tuple[float, int], Pixels]


def trips(model: Backbone, plan: Plan, source: Recipe, reference: Pixels) -> Trips:
    """One reference (S, S, 3) through the latents, and there and back at every setting."""
    recipes = {
        depth: Recipe(
            reference=editing.reference_of(reference),
            aus=source.aus,
            **known(plan, source),
            inversion_depth=depth,
            steps=plan.steps,
        )
        for depth in DEPTHS
    }
    way = way_of(model, recipes[max(DEPTHS)])
    back = {
        (depth, refine): picture
        for refine in REFINEMENTS
        for depth, picture in way.back(recipes, refine).items()
    }
    return Trips(way.coded, back)


@dataclass(frozen=True)
class Edits:
    """Edits beside plain generation and exact renders of the same; row i is one edit.

    Attributes:
        targets: N recipes of the exact edits.
        sources, edited, exact: (N, S, S, 3) reference, edit, and exact render of the edit.
        read: By ``edited``, ``plain`` and ``exact``: (N, 22) AUs that the AU reader measures.
        codes: By ``source``, ``edited`` and ``exact``: (N, code) identity codes of length 1; None
            without an identity reader.
    """

    targets: tuple[Recipe, ...]
    sources: Images
    edited: Images
    exact: Images
    read: Mapping[str, Floats]
    codes: Mapping[str, Floats] | None

    @classmethod
    def measure(
        cls, make: Make, exact: Make, gauges: Gauges, plan: Plan, references: Images, tell: Tell
    ) -> Edits:
        """Make every edit in the three ways and read them."""
        wanted, people = targets(plan), sources(plan)
        given = np.repeat(references, plan.edits, axis=0)
        made: list[tuple[Pixels, Pixels, Pixels]] = []
        for index, (target, reference) in enumerate(zip(wanted, given, strict=True)):
            source = people[index // plan.edits]
            edited = make(edit_of(plan, source, target, reference))
            made.append((edited, make(plain_of(plan, target)), exact(target)))
            tell(len(made), len(wanted))
        edits, plain, truth = (np.stack(images) for images in zip(*made, strict=True))
        shown = {"edited": edits, "plain": plain, "exact": truth}
        read = {name: both_sides(gauges.aus(images)) for name, images in shown.items()}
        codes = None
        if gauges.identity is not None:
            who = {"source": given, "edited": edits, "exact": truth}
            codes = {name: unit(gauges.identity(images)) for name, images in who.items()}
        return cls(tuple(wanted), given, edits, truth, read, codes)

    @property
    def people(self) -> Rows:
        """(N,) who is in each."""
        return people_of(self.targets)

    @property
    def asked(self) -> Floats:
        """(N, 22) intensities asked for, as FACS scores them."""
        return np.array([scored_units(target) for target in self.targets])

    def spearman(self, draws: int) -> dict[str, Estimate]:
        """Median over DISFA's twelve by way of making, and how far edits lie below plain images."""
        asked, names = self.asked[:, _DISFA], tuple(self.read)

        def statistics(rows: Rows) -> Floats:
            found = {
                name: float(np.median(spearman(asked[rows], self.read[name][rows][:, _DISFA])))
                for name in names
            }
            return np.array([*found.values(), found["plain"] - found["edited"]])

        found = bootstrap_many(self.people, statistics, draws=draws)
        return dict(zip((*names, "gap"), found, strict=True))

    def units(self) -> dict[str, dict[str, float]]:
        """Spearman's correlation of each of DISFA's twelve by way of making."""
        asked = self.asked[:, _DISFA]
        found = {name: spearman(asked, read[:, _DISFA]) for name, read in self.read.items()}
        return {
            key: {name: round(float(values[i]), 3) for name, values in found.items()}
            for i, key in enumerate(DISFA)
        }

    def identity(self, draws: int) -> dict[str, Any] | None:
        """Cosine of source and edit, by that of source and exact edit."""
        if self.codes is None:
            return None
        source = self.codes["source"]
        ours, exact = ((source * self.codes[name]).sum(1) for name in ("edited", "exact"))

        def ratio(rows: Rows) -> float:
            return float(ours[rows].mean() / exact[rows].mean())

        return {
            **bootstrap(self.people, ratio, draws=draws).to_dict(),
            "edits": round(float(ours.mean()), 4),
            "renders": round(float(exact.mean()), 4),
            "least": LEAST_ALIKE,
        }

    def likeness(self, draws: int) -> dict[str, Any]:
        """PSNR in dB: to the exact edit, also from faces with units of their own and from neutral
        ones, and to the source where the exact edit leaves it alone; ``gain`` is how much nearer
        the edit is to the exact edit than the source."""
        same = np.abs(self.sources.astype(int) - self.exact).max(3) <= _UNCHANGED
        pairs = list(zip(self.edited, self.sources, self.exact, same, strict=True))
        edited, source = (np.array([psnr(made[i], made[2]) for made in pairs]) for i in range(2))
        everyone, neutral = self.people, self.people % 2 == 1
        there = np.array([mask.any() for *_, mask in pairs])
        kept = np.array([psnr(e[m], s[m]) for e, s, _, m in pairs if m.any()])
        found = {
            "to_exact_edit": (edited, everyone),
            "source_to_exact_edit": (source, everyone),
            "gain": (edited - source, everyone),
            "gain_expressive": ((edited - source)[~neutral], everyone[~neutral]),
            "gain_neutral": ((edited - source)[neutral], everyone[neutral]),
            "unchanged_to_source": (kept, everyone[there]),
        }
        return {
            name: _mean(values, people, draws).to_dict() if len(values) else None
            for name, (values, people) in found.items()
        }


def _mean(values: Floats, people: Rows, draws: int) -> Estimate:
    return bootstrap(people, lambda rows: float(values[rows].mean()), draws=draws)


@dataclass(frozen=True)
class Inversion:
    """All figures of `synfer eval inversion`.

    Attributes:
        plan: What was asked for.
        references: (N, S, S, 3).
        trips: Round trips.
        edits: Edits.
        weights_sha256: The weights that made the images.
        gauges_sha256: SHA-256 of the readers' files.
        seconds: Time it took.
        draws: Bootstrap samples.
    """

    plan: Plan
    references: Images
    trips: RoundTrips
    edits: Edits
    weights_sha256: str | None
    gauges_sha256: Mapping[str, str]
    seconds: float
    draws: int = DRAWS

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        identity = self.edits.identity(self.draws)
        return {
            "plan": vars(self.plan),
            "weights_sha256": self.weights_sha256,
            "gauges_sha256": dict(self.gauges_sha256),
            "round_trip": self.trips.to_dict(),
            "spearman": {
                **{name: e.to_dict() for name, e in self.edits.spearman(self.draws).items()},
                "most_gap": MOST_GAP,
                "units": self.edits.units(),
            },
            "identity": identity,
            "psnr": self.edits.likeness(self.draws),
            "seconds": round(self.seconds, 1),
            "notes": [_NO_IDENTITY] if identity is None else [],
        }

    def sheet(self) -> bytes:
        """People in rows as JPEG: reference, round trip, and each edit beside its exact render."""
        count = self.plan.edits
        columns = ["reference", "round trip"]
        columns += [f"{what} {i + 1}" for i in range(count) for what in ("edit", "exact")]
        rows = range(min(_SHOWN_PEOPLE, len(self.references)))
        return contact_sheet(
            [list(self._row(row)) for row in rows],
            row_names=[f"person {row}" for row in rows],
            column_names=columns,
            marks=[list(self._marks(row)) for row in rows],
        )

    def _row(self, row: int) -> Iterator[Pixels]:
        yield self.references[row]
        yield self.trips.images[row]
        for place in self._places(row):
            yield self.edits.edited[place]
            yield self.edits.exact[place]

    def _marks(self, row: int) -> Iterator[tuple[bool, str]]:
        yield True, ""
        psnr = float(self.trips.trips[editing.DEPTH, editing.REFINE][row])
        yield psnr >= LEAST_BACK, f"{psnr:.1f} dB"
        for place in self._places(row):
            asked = self.edits.asked[place]
            for name in ("edited", "exact"):
                off = float(np.abs(self.edits.read[name][place] - asked).mean())
                yield off < 1, f"{_strongest(self.edits.targets[place])} ±{off:.1f}"

    def _places(self, row: int) -> range:
        return range(row * self.plan.edits, (row + 1) * self.plan.edits)

    def lines(self) -> list[str]:
        """The headlines for reading."""
        figures = self.to_dict()
        trips = figures["round_trip"]
        said = [f"latents alone: {trips['codec']['value']:.2f} dB"]
        said += [
            f"round trip, depth {t['depth']:g}, refined {t['refine']} times: "
            f"{t['psnr']['value']:.2f} dB, {t['lost']['value']:.2f} below the latents"
            for t in trips["trips"]
        ]
        said += [
            f"median Spearman, {name}: {_told(figures['spearman'][name])}"
            for name in ("edited", "plain", "exact", "gap")
        ]
        if figures["identity"]:
            said.append(f"same person, against exact renders: {_told(figures['identity'])}")
        said += [
            f"PSNR, {name.replace('_', ' ')}: {value['value']:.2f} dB"
            for name, value in figures["psnr"].items()
            if value
        ]
        return [*said, *figures["notes"], f"{figures['seconds']:.0f} s"]


def _strongest(target: Recipe) -> str:
    return format_facs(dict(sorted(target.aus.items(), key=lambda item: -item[1])[:2]))


def _told(figure: Mapping[str, Any]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def measure(
    model: Backbone,
    make: Make,
    exact: Make,
    gauges: Gauges,
    plan: Plan,
    *,
    tell: Tell,
    draws: int = DRAWS,
) -> Inversion:
    """Render references, send them there and back, edit them, and read it all.

    Args:
        model: The model under test.
        make: Its recipes made into images; see `pictures.maker`.
        exact: The same for the exact renderer.
        gauges: The readers.
        plan: How much to ask for.
        tell: Called with images done and in all: round trips first, then edits.
        draws: Bootstrap samples.
    """
    start = time.perf_counter()
    references = np.stack([exact(recipe) for recipe in sources(plan)])
    total = plan.people * (1 + plan.edits)
    there = RoundTrips.measure(model, plan, references, lambda done, _: tell(done, total))
    edits = Edits.measure(
        make, exact, gauges, plan, references, lambda done, _: tell(plan.people + done, total)
    )
    return Inversion(
        plan=plan,
        references=references,
        trips=there,
        edits=edits,
        weights_sha256=completed(model, plain_of(plan, sources(plan)[0])).weights_sha256,
        gauges_sha256=gauges.sha256,
        seconds=time.perf_counter() - start,
        draws=draws,
    )
