"""The figures of `synfer eval control`: by part, by group of people, beside exact renders."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation.agreement import Agreement
from synfer_core.evaluation.control_parts import (
    Mixes,
    Presets,
    Sided,
    Worded,
    other_people,
    people_of,
    same_person,
    similarity_ratio,
)
from synfer_core.evaluation.control_plan import (
    GROUPS,
    INEVITABLE,
    PER_PERSON,
    UNITS,
    groups_of,
)
from synfer_core.evaluation.control_ramps import Ramps
from synfer_core.evaluation.estimates import DRAWS, Estimate, share
from synfer_core.evaluation.gauges import MEDIAPIPE_UNITS, MEDIAPIPE_WEAK
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import format_facs
from synfer_core.request import Recipe

Part = Mixes | Sided | Presets | Worded | Ramps
P = TypeVar("P", Mixes, Sided, Presets, Worded, Ramps)

_NO_IDENTITY = "identity: these weights have no identity reader (identity.safetensors)"
_NO_ATTRIBUTES = "words: these weights have no attribute judge (attributes.safetensors)"
_NO_EXACT = "exact: the exact renders were left out, so there is no ceiling"
_SHOWN_PEOPLE = 8
_WORST = 12


@dataclass(frozen=True)
class Measured:
    """What one backbone made, part by part; None for a part that was not asked for."""

    mixes: Mixes | None = None
    sided: Sided | None = None
    presets: Presets | None = None
    words: Worded | None = None
    ramps: Ramps | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that were made, by name."""
        made = {
            "aus": self.mixes,
            "one-sided": self.sided,
            "presets": self.presets,
            "words": self.words,
            "ramps": self.ramps,
        }
        return {name: part for name, part in made.items() if part is not None}

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All recipes."""
        return tuple(recipe for part in self.parts.values() for recipe in part.recipes)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether MediaPipe finds a face, in the order of `recipes`."""
        return np.concatenate([part.found for part in self.parts.values()])

    def face_found(self) -> Estimate:
        """Share of all images in which MediaPipe finds a face."""
        return share(people_of(self.recipes), self.found)

    def of_group(self, by: str, group: str) -> Measured:
        """The images of one group of people; None for parts without any."""
        return Measured(
            mixes=self.mixes and _of_group(self.mixes, by, group),
            sided=self.sided and _of_group(self.sided, by, group),
            presets=self.presets and _of_group(self.presets, by, group),
            words=self.words and _of_group(self.words, by, group),
            ramps=self.ramps and _of_group(self.ramps, by, group),
        )


def _of_group(part: P, by: str, group: str) -> P | None:
    hits = [groups_of(recipe)[by] == group for recipe in part.recipes]
    return part.take(np.flatnonzero(hits)) if any(hits) else None


@dataclass(frozen=True)
class Control:
    """The figures of one backbone beside those of exact renders of the same recipes.

    Attributes:
        backbone: Name in recipes.
        weights_sha256: The weights that made the images; None for the exact renderer.
        model: What it made.
        exact: The ceiling; None where the exact renderer is not available.
        asked_parts: Names of the parts asked for, from `control_plan.PARTS`.
        gauges_sha256: SHA-256 of the readers' files.
        seconds: Time it took to make and read the images.
        draws: Bootstrap samples.
    """

    backbone: str
    weights_sha256: str | None
    model: Measured
    exact: Measured | None
    asked_parts: frozenset[str]
    gauges_sha256: dict[str, str]
    seconds: float
    draws: int = DRAWS

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON; None for parts that were not asked for or cannot be read."""
        return {
            "backbone": self.backbone,
            "weights_sha256": self.weights_sha256,
            "gauges_sha256": self.gauges_sha256,
            "images": len(self.model.recipes),
            "images_by_part": {name: len(p.recipes) for name, p in self.model.parts.items()},
            "people": len(set(people_of(self.model.recipes).tolist())),
            "seconds": round(self.seconds, 1),
            **self._figures(self.model),
            "by_group": self.by_group(),
            "exact": self._figures(self.exact) if self.exact else None,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What is missing, in plain words."""
        presets, words = self.model.presets, self.model.words
        return [
            *([_NO_IDENTITY] if presets is not None and presets.codes is None else []),
            *([_NO_ATTRIBUTES] if words is not None and words.read is None else []),
            *([_NO_EXACT] if self.exact is None else []),
        ]

    def _figures(self, seen: Measured) -> dict[str, Any]:
        shown = seen.presets if "presets" in self.asked_parts else None
        person = seen.presets if "identity" in self.asked_parts else None
        return {
            **(self._units(seen.mixes) if seen.mixes else dict.fromkeys(_UNIT_FIGURES)),
            "one_sided": seen.sided.to_dict() if seen.sided else None,
            "face_found": seen.face_found().to_dict(),
            "expression": shown.to_dict() if shown else None,
            "identity": self.identity(person) if person else None,
            "words": seen.words.to_dict() if seen.words else None,
            "ramps": seen.ramps.to_dict(self.draws) if seen.ramps else None,
        }

    def _units(self, seen: Mixes) -> dict[str, Any]:
        own, outside = seen.agreement(self.draws), seen.mediapipe_agreement(self.draws)
        ceiling = self.exact and self.exact.mixes
        exact = own if ceiling is seen else ceiling.agreement(self.draws) if ceiling else None
        matrix = seen.crosstalk()
        return {
            "aus": {key: _unit(i, key, own, outside, exact) for i, key in enumerate(UNITS)},
            "median_spearman": own.median.to_dict(),
            "median_spearman_all": seen.median_of_all(self.draws).to_dict(),
            "least_spearman": own.least.to_dict(),
            "crosstalk_mean": seen.mean_crosstalk(self.draws).to_dict(),
            "crosstalk": {
                "units": list(UNITS),
                "matrix": np.round(matrix, 3).tolist(),
                "worst": worst_pairs(matrix),
            },
        }

    def identity(self, seen: Presets) -> dict[str, Any] | None:
        """Cosines of the codes of one person and of two, and the ratio to exact renders."""
        if seen.codes is None:
            return None
        ratio = self.identity_ratio(seen)
        return {
            **(ratio.to_dict() if ratio else dict.fromkeys(("value", "low", "high"))),
            "same": round(float(same_person(seen.codes, seen.people).mean()), 4),
            "others": round(other_people(seen.codes, seen.people), 4),
        }

    def identity_ratio(self, seen: Presets) -> Estimate | None:
        """Similarity within a person by that of exact renders of the same people."""
        exact = self.exact and self.exact.presets
        if seen.codes is None or not exact or exact.codes is None:
            return None
        there = np.isin(exact.people, seen.people)
        similar = same_person(seen.codes, seen.people)
        return similarity_ratio(similar, same_person(exact.codes[there], exact.people[there]))

    def headlines(self, seen: Measured) -> dict[str, Estimate]:
        """The one figure of each part, as far as it was made."""
        shown = seen.presets if "presets" in self.asked_parts else None
        person = seen.presets if "identity" in self.asked_parts else None
        found = {
            "face_found": seen.face_found(),
            "median_spearman": seen.mixes.median(self.draws) if seen.mixes else None,
            "one_sided": seen.sided.share() if seen.sided else None,
            "expression": shown.accuracy() if shown else None,
            "identity": self.identity_ratio(person) if person else None,
            "words": seen.words.share() if seen.words else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def by_group(self) -> dict[str, Any]:
        """Headlines by skin tone, apparent sex and age, the gaps, and the largest of them."""
        parts = {by: self._groups(by) for by in GROUPS}
        gaps = [{"by": by, **gap} for by, part in parts.items() for gap in part["gaps"].values()]
        return {**parts, "largest_gap": max(gaps, key=lambda gap: gap["value"], default=None)}

    def _groups(self, by: str) -> dict[str, Any]:
        seen = {group: self.model.of_group(by, group) for group in GROUPS[by]}
        heads = {group: self.headlines(part) for group, part in seen.items() if part.parts}
        names = dict.fromkeys(name for head in heads.values() for name in head)
        gaps = {
            name: _gap(name, {g: h[name].value for g, h in heads.items() if name in h})
            for name in names
        }
        return {
            "groups": {
                group: {
                    "images": len(seen[group].recipes),
                    **{name: estimate.to_dict() for name, estimate in head.items()},
                }
                for group, head in heads.items()
            },
            "gaps": gaps,
        }

    def sheet(self) -> bytes | None:
        """Eight people in five mixes of units as JPEG, with what was asked and the mean error."""
        mixes = self.model.mixes
        if mixes is None:
            return None
        off = np.abs(mixes.asked - mixes.read).mean(1)
        rows = range(0, min(_SHOWN_PEOPLE, len(mixes.recipes) // PER_PERSON) * PER_PERSON)
        cells = [rows[i : i + PER_PERSON] for i in range(0, len(rows), PER_PERSON)]
        return contact_sheet(
            [[mixes.images[i] for i in row] for row in cells],
            row_names=[f"person {mixes.recipes[row[0]].seed}" for row in cells],
            column_names=[f"mix {i + 1}" for i in range(PER_PERSON)],
            marks=[[(bool(off[i] < 1), _words_of(mixes.recipes[i], off[i])) for i in row]
                   for row in cells],
        )  # fmt: skip


_UNIT_FIGURES = (
    "aus",
    "median_spearman",
    "median_spearman_all",
    "least_spearman",
    "crosstalk_mean",
    "crosstalk",
)


def _words_of(recipe: Recipe, error: float) -> str:
    strongest = sorted(recipe.action_units.items(), key=lambda item: -item[1])[:2]
    return f"{format_facs(dict(strongest))} ±{error:.1f}"


def _unit(
    index: int, key: str, own: Agreement, outside: Agreement | None, exact: Agreement | None
) -> dict[str, Any]:
    told = outside is not None and key in MEDIAPIPE_UNITS
    place = MEDIAPIPE_UNITS.index(key) if told else 0
    return {
        "spearman": own.spearman[index].to_dict(),
        "error": own.error[index].to_dict(),
        "r": own.pearson[index].to_dict(),
        "mediapipe_spearman": outside.spearman[place].to_dict() if outside and told else None,
        "mediapipe_error": outside.error[place].to_dict() if outside and told else None,
        "mediapipe_weak": key in MEDIAPIPE_WEAK,
        "reader_r": round(exact.pearson[index].value, 4) if exact else None,
        "exact_spearman": exact.spearman[index].to_dict() if exact else None,
        "exact_error": exact.error[index].to_dict() if exact else None,
    }


def worst_pairs(matrix: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The twelve strongest pairs of a cross-talk matrix (22, 22), and whether faces couple them."""
    pairs = sorted(product(range(len(UNITS)), repeat=2), key=lambda pair: -matrix[pair])
    return [
        {
            "asked": UNITS[i],
            "moved": UNITS[j],
            "share": round(float(matrix[i, j]), 3),
            "inevitable": (UNITS[i], UNITS[j]) in INEVITABLE,
        }
        for i, j in pairs[:_WORST]
    ]


def _gap(figure: str, values: dict[str, float]) -> dict[str, Any]:
    best, worst = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    value = round(values[best] - values[worst], 4)
    return {"figure": figure, "best": best, "worst": worst, "value": value}


def crosstalk_picture(matrix: NDArray[np.float64], title: str) -> bytes:
    """A cross-talk matrix (22, 22) as PNG: asked in rows, moved in columns."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [key.removeprefix("AU") for key in UNITS]
    figure, axis = pyplot.subplots(figsize=(7.5, 6.5))
    shown = axis.imshow(matrix, vmin=0, vmax=1, cmap="magma_r")
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set(title=title, xlabel="AU that moves", ylabel="AU asked for")
    figure.colorbar(shown, label="share of the moved AU's own effect")
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    pyplot.close(figure)
    return buffer.getvalue()


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The headlines of `Control.to_dict` for reading, each beside the exact renderer's."""
    exact = figures["exact"] or {}
    said = [
        f"{words}: {_told(figures[name])}"
        + (f"; exact renders {_told(exact[name])}" if exact.get(name) else "")
        for name, words in _HEADLINES.items()
        if figures[name]
    ]
    gap = figures["by_group"]["largest_gap"]
    if gap:
        said.append(
            f"largest gap: {gap['figure']} by {gap['by']}, {gap['value']:.3f} between "
            f"{gap['best']} and {gap['worst']}"
        )
    units = _unit_lines(figures["aus"]) if figures["aus"] else []
    return [
        *said,
        *units,
        *figures["notes"],
        f"{figures['images']} images in {figures['seconds']:.0f} s",
    ]


def _unit_lines(units: Mapping[str, Any]) -> list[str]:
    """Spearman's correlation of each unit, and of exact renders."""
    told = []
    for key, unit in units.items():
        exact = unit["exact_spearman"]
        ceiling = f"; exact renders {_told(exact)}" if exact else ""
        told.append(f"  {key}: {_told(unit['spearman'])}{ceiling}")
    return ["Spearman by unit:", *told]


_HEADLINES = {
    "median_spearman": "median Spearman over DISFA's twelve AUs",
    "least_spearman": "least of them",
    "median_spearman_all": "median Spearman over all 22 AUs",
    "crosstalk_mean": "mean cross-talk",
    "one_sided": "one side alone leads by 2 points",
    "face_found": "faces found",
    "expression": "presets read as meant",
    "identity": "same person, against exact renders",
    "words": "words followed",
    "ramps": "median Spearman along single units",
}


def _told(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"no ratio (cosine {figure['same']:.3f})"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
