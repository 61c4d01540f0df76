"""Does the watermark outlive what happens to pictures, and is it found only where it was put?

Every picture is marked as it would be on its way out. The marked and the unmarked one then go
through the same fates and are read. Definitions: docs/provenance.md.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synfer_core import samples
from synfer_core.decibels import psnr
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.faces.images import read_image
from synfer_core.provenance import watermark
from synfer_core.provenance.export import Export, tag_of
from synfer_core.provenance.marking import Marking
from synfer_core.report import Pixels
from synfer_core.request import Recipe

Fate = Callable[[Pixels], Pixels]
Tell = Callable[[int, int], None]
Made = tuple[Recipe, Pixels]

_STRONGER = 16
_CELL = 256


def _sent(kind: str, quality: int) -> Fate:
    """Through a lossy file, with Pillow's other settings."""

    def send(image: Pixels) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind, quality=quality)
        with Image.open(buffer) as back:
            return np.array(back.convert("RGB"))

    return send


def _resized(image: Pixels, factor: float) -> Pixels:
    height, width = image.shape[:2]
    size = (round(width * factor), round(height * factor))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _brighter(factor: float) -> Fate:
    return lambda image: np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)


def _cropped(share: float) -> Fate:
    def crop(image: Pixels) -> Pixels:
        off = round(image.shape[0] * share)
        return image[off:-off, off:-off]

    return crop


FATES: Mapping[str, Fate] = MappingProxyType(
    {
        "PNG": lambda image: image,
        "JPEG 90": _sent("JPEG", 90),
        "JPEG 75": _sent("JPEG", 75),
        "JPEG 60": _sent("JPEG", 60),
        "WebP 80": _sent("WEBP", 80),
        "half the size": lambda image: _resized(image, 0.5),
        "half and back": lambda image: _resized(_resized(image, 0.5), 2.0),
        "half, JPEG 75": lambda image: _sent("JPEG", 75)(_resized(image, 0.5)),
        "15 % darker": _brighter(0.85),
        "15 % brighter": _brighter(1.15),
        "2 % cropped off each side": _cropped(0.02),
        "5 % cropped off each side": _cropped(0.05),
    }
)


@dataclass(frozen=True)
class Reads:
    """What was read off N pictures after one fate.

    Attributes:
        agreeing: (N,) bits of 48.
        found: (N,) whether a mark was found.
        right: (N,) whether it was, with the tag of the picture's recipe.
    """

    agreeing: NDArray[np.int64]
    found: NDArray[np.bool_]
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, images: Sequence[Pixels], tags: Sequence[int]) -> Reads:
        """Read pictures whose tags would be these."""
        seen = [watermark.find(image) for image in images]
        right = [one.tag == tag for one, tag in zip(seen, tags, strict=True)]
        return cls(
            np.array([one.agreeing for one in seen]),
            np.array([one.found for one in seen]),
            np.array(right),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "found": int(self.found.sum()),
            "right_tag": int(self.right.sum()),
            "bits_mean": round(float(self.agreeing.mean()), 2),
            "bits_least": int(self.agreeing.min()),
            "bits_most": int(self.agreeing.max()),
        }


@dataclass(frozen=True)
class Trial:
    """Pictures of one kind and size, marked and unmarked, through all fates.

    Attributes:
        name: What they are.
        plain: N pictures (S, S, 3) as they were made.
        marked: The same, marked.
        after: By fate, what was read off the marked ones.
        without: By fate, what was read off the unmarked ones.
    """

    name: str
    plain: tuple[Pixels, ...]
    marked: tuple[Pixels, ...]
    after: Mapping[str, Reads]
    without: Mapping[str, Reads]

    @property
    def decibels(self) -> NDArray[np.float64]:
        """(N,) PSNR of each marked picture against the unmarked one."""
        return np.array([psnr(a, b) for a, b in zip(self.plain, self.marked, strict=True)])

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        changes = [
            np.abs(a.astype(int) - b).max() for a, b in zip(self.plain, self.marked, strict=True)
        ]
        return {
            "name": self.name,
            "images": len(self.plain),
            "size": self.plain[0].shape[0],
            "psnr_mean": round(float(self.decibels.mean()), 2),
            "psnr_least": round(float(self.decibels.min()), 2),
            "largest_change": int(max(changes)),
            "marked": {fate: reads.to_dict() for fate, reads in self.after.items()},
            "unmarked": {fate: reads.to_dict() for fate, reads in self.without.items()},
        }

    def row(self) -> list[Pixels]:
        """A picture as it was made, marked, and the difference, 16 times as strong."""
        plain, marked = self.plain[0], self.marked[0]
        change = (marked.astype(int) - plain) * _STRONGER + 128
        return [_enlarged(p) for p in (plain, marked, np.clip(change, 0, 255).astype(np.uint8))]


def _enlarged(image: Pixels) -> Pixels:
    """At the sheet's size, each pixel a square."""
    picture = Image.fromarray(image).resize((_CELL, _CELL), Image.Resampling.NEAREST)
    return np.array(picture)


def trial(name: str, made: Sequence[Made]) -> Trial:
    """Mark pictures as they would be on their way out, and put them through all fates."""
    exports = [Export.of(image, recipe, Marking()) for recipe, image in made]
    tags = [tag_of(export.origin.recipe_sha256 or "") for export in exports]
    plain = tuple(image for _, image in made)
    marked = tuple(export.pixels for export in exports)
    return Trial(name, plain, marked, _through(marked, tags), _through(plain, tags))


def _through(images: Sequence[Pixels], tags: Sequence[int]) -> dict[str, Reads]:
    return {name: Reads.of([fate(i) for i in images], tags) for name, fate in FATES.items()}


def built_in() -> list[Made]:
    """The built-in samples, with the recipes that edit them into what they are."""
    return [
        (Recipe(reference=sample.reference), read_image(samples.FOLDER / sample.file))
        for sample in samples.shipped()
    ]


def collect(make: Callable[[Recipe], Pixels], recipes: Sequence[Recipe], tell: Tell) -> list[Made]:
    """Recipes with their pictures; `tell` is called with pictures done and in all."""
    made = []
    for recipe in recipes:
        made.append((recipe, make(recipe)))
        tell(len(made), len(recipes))
    return made


@dataclass(frozen=True)
class Survival:
    """All trials.

    Attributes:
        trials: One for each kind and size of picture.
    """

    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        reads = [reads for trial in self.trials for reads in trial.without.values()]
        return {
            "watermark": watermark.NAME,
            "enough_bits": watermark.ENOUGH,
            "trials": [trial.to_dict() for trial in self.trials],
            "false_positives": {
                "pictures": sum(len(trial.plain) for trial in self.trials),
                "looks": sum(len(one.found) for one in reads),
                "found": sum(int(one.found.sum()) for one in reads),
                "bits_most": max(int(one.agreeing.max()) for one in reads),
            },
        }

    def lines(self) -> list[str]:
        """The table of docs/provenance.md, and what was found where nothing was put."""
        figures = self.to_dict()
        trials, wrong = figures["trials"], figures["false_positives"]
        rows = [
            ["", *[f"{t['name']}, {t['size']} px" for t in trials]],
            ["---"] * (1 + len(trials)),
            ["pictures", *[str(t["images"]) for t in trials]],
            ["PSNR, mean (least)", *[f"{t['psnr_mean']} ({t['psnr_least']}) dB" for t in trials]],
            ["largest change, of 255", *[str(t["largest_change"]) for t in trials]],
            *[[fate, *[_told(t["marked"][fate]) for t in trials]] for fate in FATES],
        ]
        return [
            *[f"| {' | '.join(row)} |" for row in rows],
            "",
            f"unmarked: {wrong['found']} found in {wrong['looks']} looks at {wrong['pictures']} "
            f"pictures; at most {wrong['bits_most']} of 48 bits, {figures['enough_bits']} needed",
        ]

    def sheet(self) -> bytes:
        """A JPEG of the first picture of each trial beside its marked one and the difference."""
        return contact_sheet(
            [trial.row() for trial in self.trials],
            row_names=[trial.name for trial in self.trials],
            column_names=["as it was made", "marked", f"difference x {_STRONGER}"],
        )


def _told(reads: Mapping[str, Any]) -> str:
    return f"{reads['right_tag']} ({reads['bits_mean']})"
