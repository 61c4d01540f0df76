"""Exact histogram specification: every image gets the average histogram of the set.

SHINE's histMatch (Willenbockel et al., 2010, https://doi.org/10.3758/BRM.42.3.671) rests on the
exact specification of Coltuc, Bolon and Chassery, IEEE Transactions on Image Processing 2006
(https://doi.org/10.1109/TIP.2005.864170): pixels are put into strict order, equal ones by the means
of their growing neighbourhoods, and get the target's grey levels in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synfer_core.report import Pixels
from synfer_core.stimuli.luminance import Region, luma

Floats = NDArray[np.float64]
_NEIGHBOURHOODS = (3, 5)


def histogram(image: Pixels, region: Region) -> Floats:
    """(256,) share of each grey level among the pixels of the region."""
    found = np.bincount(luma(image)[region], minlength=256)
    return np.asarray(found / found.sum(), np.float64)


def average(histograms: Sequence[Floats]) -> Floats:
    """(256,) the mean histogram of a set."""
    return np.asarray(np.mean(histograms, axis=0), np.float64)


def counts(shares: Floats, pixels: int) -> tuple[int, ...]:
    """A histogram (256,) as whole pixels of each level, `pixels` in all."""
    ends = np.rint(np.cumsum(shares) / shares.sum() * pixels).astype(int)
    return tuple(np.diff(ends, prepend=0).tolist())


def match(image: Pixels, region: Region, target: Sequence[int]) -> Pixels:
    """A grey image (S, S, 3) with the target's pixels of each level inside the region.

    Every image gets the very same counts. Outside nothing changes.

    Args:
        image: What is matched.
        region: (S, S) with as many pixels as `target` counts.
        target: From `counts`.
    """
    grey = luma(image)
    levels = np.repeat(np.arange(256), target).astype(np.uint8)
    out = grey.copy()
    places = np.flatnonzero(region.ravel())
    out.ravel()[places[_order(grey, region)]] = levels
    return np.repeat(out[..., None], 3, axis=2)


def _order(grey: Pixels, region: Region) -> NDArray[np.int64]:
    """Pixels of the region from dark to light; ties by neighbourhood means, then by place."""
    whole = grey.astype(np.float64)
    keys = [ndimage.uniform_filter(whole, size)[region] for size in reversed(_NEIGHBOURHOODS)]
    return np.lexsort([*keys, whole[region]])
