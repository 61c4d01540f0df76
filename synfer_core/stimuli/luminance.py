"""Luminance and contrast matched across a set, as lumMatch of the SHINE toolbox.

Willenbockel et al., Controlling low-level image properties: the SHINE toolbox, Behavior Research
Methods 2010 (https://doi.org/10.3758/BRM.42.3.671): each image's grey levels are shifted and scaled
to the mean and standard deviation of the whole set. Values that leave 0-255 are clipped and all are
rounded, which moves both again; so gain and shift are corrected until what will be written agrees.
Colour images keep their colour differences: the same change is added to red, green and blue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from synfer_core.errors import ImageError
from synfer_core.report import Pixels
from synfer_core.stimuli.spec import Target

Region = NDArray[np.bool_]
Floats = NDArray[np.float64]

TOLERANCE = 0.005
"""Share of the target by which mean and SD may miss it."""
_DAMPING = 0.8
_ROUNDS = 200


@dataclass(frozen=True)
class Luminance:
    """Mean and standard deviation (n - 1) of luminance, grey levels 0-255."""

    mean: float
    sd: float

    @classmethod
    def of(cls, image: Pixels, region: Region) -> Self:
        """Of the pixels of an image (S, S, 3) inside a region (S, S)."""
        values = luma(image)[region].astype(np.float64)
        return cls(float(values.mean()), float(values.std(ddof=1)))

    def misses(self, target: Target) -> float:
        """Share of the target by which the worse of the two is off."""
        return max(abs(self.mean / target.mean - 1), abs(self.sd / target.sd - 1))


def luma(image: Pixels) -> Pixels:
    """Rec. 601 luma (S, S) of an image (S, S, 3), as Pillow's mode L; of grey, the grey itself."""
    return np.array(Image.fromarray(image).convert("L"))


def average(measured: Sequence[Luminance]) -> Target:
    """What SHINE matches to: the mean of the means and the mean of the SDs.

    Raises:
        ImageError: The images are so dark, bright or flat that nothing can be matched to that.
    """
    mean, sd = (float(np.mean([getattr(one, name) for one in measured])) for name in ("mean", "sd"))
    try:
        return Target(mean=mean, sd=sd)
    except ValidationError as error:
        raise _unreachable("are too dark, bright or flat", mean, sd) from error


def match(image: Pixels, region: Region, target: Target) -> Pixels:
    """The image (S, S, 3) with the target's mean and SD inside the region; changed everywhere.

    Raises:
        ImageError: It cannot be reached within `TOLERANCE`: too little contrast to start from, or
            so much wanted that clipping eats it.
    """
    before = luma(image).astype(np.float64)
    start = Luminance.of(image, region)
    if start.sd < 0.5:
        raise _unreachable("has hardly any contrast", target.mean, target.sd)
    gain, shift = target.sd / start.sd, target.mean
    for _ in range(_ROUNDS):
        changed = _add(image, (before - start.mean) * gain + shift - before)
        now = Luminance.of(changed, region)
        if now.misses(target) <= TOLERANCE:
            return changed
        gain *= (target.sd / max(now.sd, 0.5)) ** _DAMPING
        shift += _DAMPING * (target.mean - now.mean)
    off = f"stays {now.misses(target):.1%} off"
    raise _unreachable(off, target.mean, target.sd)


def _add(image: Pixels, change: Floats) -> Pixels:
    whole = np.rint(image.astype(np.float64) + change[..., None])
    return np.clip(whole, 0, 255).astype(np.uint8)


def _unreachable(message: str, mean: float, sd: float) -> ImageError:
    return ImageError(
        f"{message}; mean {mean:.1f} and SD {sd:.1f} cannot be reached",
        field="treatment.match",
        allowed="a treatment.target nearer to the images",
    )
