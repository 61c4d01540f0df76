"""Feature spaces that ship, and what is measured in them: how far apart people and sets lie.

The Fréchet distance between two sets of images (Heusel et al. 2017,
https://arxiv.org/abs/1706.08500) is that between Gaussians fitted to their features. Covariances of
few images are shrunk (Ledoit and Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4), and the
root is taken of a symmetric matrix, so that nothing turns complex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from synfer_core.decoding import to_tensor
from synfer_core.evaluation import first_light
from synfer_core.evaluation.gauges import Images
from synfer_core.models import classifier
from synfer_core.models.attributes import AttributeReader
from synfer_core.models.classifier import Classifier

Floats = NDArray[np.float64]

_FIRST_CHOICE = "convnextv2"
_PLACES = 9
_BATCH = 32


@dataclass(frozen=True)
class Space:
    """A feature space.

    Attributes:
        name: Which network's, in figures.
        read: Images (N, S, S, 3) to features (N, F).
    """

    name: str
    read: Callable[[Images], Floats]


def judged(folder: Path) -> Space:
    """What a judge of expressions sees: ``convnextv2``, else the first in the folder.

    Raises:
        WeightsError: There is no judge, or one is damaged.
    """
    nets = first_light.load_judges(folder)
    name = _FIRST_CHOICE if _FIRST_CHOICE in nets else next(iter(nets))
    return _space(f"judge-{name}", nets[name])


def looks(path: Path) -> Space:
    """What the judge of attributes (skin, hair, beard, glasses) sees.

    Raises:
        WeightsError: The file is missing, damaged or no attribute judge.
    """
    return _space(path.stem, AttributeReader.load(path).trunk)


def acts(path: Path) -> Space:
    """What the reader of action units sees.

    Raises:
        WeightsError: The file is missing, damaged or no AU reader.
    """
    return _space(path.stem, classifier.load(path, "au-reader")[0])


def _space(name: str, net: Classifier) -> Space:
    size = net.width // _PLACES
    what = f"{name}: last feature map, mean over its {_PLACES} places, {size} numbers"
    return Space(what, partial(pooled, net))


@torch.no_grad()
def pooled(net: Classifier, images: Images) -> Floats:
    """Features (N, width / 9) of images (N, S, S, 3), before the heads, mean over the places."""
    starts = range(0, len(images), _BATCH)
    parts = [net.features(to_tensor(images[i : i + _BATCH])) for i in starts]
    return cast(Floats, torch.cat(parts).unflatten(1, (-1, _PLACES)).mean(-1).double().numpy())


def apart(features: Floats) -> Floats:
    """(P, P) Euclidean distance between people, the mean over what each shows.

    Args:
        features: (P, E, F) of P people in the same E expressions.
    """
    gaps = [np.linalg.norm(f[:, None] - f[None], axis=2) for f in features.swapaxes(0, 1)]
    return cast(Floats, np.mean(gaps, axis=0))


def mean_apart(distances: Floats, people: NDArray[np.int64]) -> float:
    """Mean of distances (P, P) between different ones of some people (repeats included)."""
    different = people[:, None] != people
    return float(distances[np.ix_(people, people)][different].mean()) if different.any() else 0.0


def frechet(first: Floats, second: Floats) -> float:
    """Fréchet distance between Gaussians fitted to features (N, F) and (M, F)."""
    (mean, spread), (other_mean, other_spread) = (_moments(f) for f in (first, second))
    root = _root(spread)
    cross = np.linalg.eigvalsh(root @ other_spread @ root).clip(min=0)
    gap = float(((mean - other_mean) ** 2).sum())
    return gap + float(np.trace(spread + other_spread)) - 2 * float(np.sqrt(cross).sum())


def _moments(features: Floats) -> tuple[Floats, Floats]:
    """Mean (F,) and shrunk covariance (F, F)."""
    mean = features.mean(0)
    return mean, shrunk(features - mean)


def shrunk(centred: Floats) -> Floats:
    """Covariance (F, F) of centred features (N, F), moved towards a multiple of the identity.

    As far as the sample's own scatter says that it is to be doubted; see the module.
    """
    count, size = centred.shape
    sample = centred.T @ centred / count
    even = np.eye(size) * np.trace(sample) / size
    off = ((sample - even) ** 2).sum()
    scatter = ((centred**2).sum(1) ** 2).mean() - (sample**2).sum()
    share = min(1.0, scatter / count / off) if off > 0 else 1.0
    return cast(Floats, share * even + (1 - share) * sample)


def _root(matrix: Floats) -> Floats:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return cast(Floats, (vectors * np.sqrt(values.clip(min=0))) @ vectors.T)


def left_out(first: Floats, second: Floats) -> Floats:
    """(P,) Fréchet distances with each person left out of both.

    Args:
        first: (P, E, F) features of P people.
        second: (P, E, F) of as many others, or of the same.
    """
    rows = [np.arange(len(first)) != person for person in range(len(first))]
    return np.array([frechet(flat(first[kept]), flat(second[kept])) for kept in rows])


def flat(features: Floats) -> Floats:
    """(P, E, F) as (P * E, F)."""
    return features.reshape(-1, features.shape[-1])
