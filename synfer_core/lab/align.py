"""Real-Fake alignment by weights: synthetic faces count as the real ones' distribution asks.

SynFER's figure 5c (https://arxiv.org/abs/2410.09865) brings synthetic data nearer to real data by
Real-Fake's distribution matching (Yuan et al. 2023, https://arxiv.org/abs/2310.10402), which trains
the generator on the maximum mean discrepancy. Here nothing is generated anew: kernel mean matching
(Huang et al., Correcting Sample Selection Bias by Unlabeled Data, NIPS 2006) weighs the
faces there are. With features x of n synthetic faces, y of m real ones, a Gaussian kernel k and
weights p that sum to 1,

    minimise  1/2 sum_ij p_i p_j k(x_i, x_j) - 1/m sum_ij p_i k(x_i, y_j),   0 <= p_i <= most / n

so that the weighted mean of the synthetic features in k's space meets that of the real ones. The
features are frozen and named in the figures; they are not those of the recogniser under test. Real
faces need no labels. A fifth of them is kept out of the matching, and discrepancies are measured on
that fifth. Every expression keeps its share of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import DataError, RequestError
from synfer_core.evaluation import features
from synfer_core.evaluation.features import Space
from synfer_core.lab.images import Faces

Floats = NDArray[np.float64]
SpaceName = Literal["au-reader", "attributes"]
SPACES: tuple[SpaceName, ...] = get_args(SpaceName)

MOST = 10.0
"""How often, at most, a face counts against the mean."""
LEAST_REAL = 10
_ROUNDS = 400
_SEARCH = 60


@dataclass(frozen=True)
class Alignment:
    """Weights of synthetic faces, and what they did.

    Attributes:
        weights: (N,) that sum to 1.
        space: The feature space.
        bandwidth: Of the kernel, in standard deviations of the features.
        before, after: Squared maximum mean discrepancy to the real faces kept out, without and with
            the weights; unbiased, so it can be slightly below 0.
        matched, kept_out: Real faces in the matching, and those of the measurement.
    """

    weights: Floats
    space: str
    bandwidth: float
    before: float
    after: float
    matched: int
    kept_out: int

    @property
    def effective(self) -> float:
        """Effective sample size, (sum p)^2 / sum p^2: N for equal weights."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "space": self.space,
            "bandwidth": round(self.bandwidth, 4),
            "mmd_before": round(self.before, 6),
            "mmd_after": round(self.after, 6),
            "effective_sample_size": round(self.effective, 1),
            "synthetic": len(self.weights),
            "real_matched": self.matched,
            "real_kept_out": self.kept_out,
        }


def space_of(name: SpaceName, models: Path) -> Space:
    """A feature space by name: of a gauge that ships, which takes no part in the lab's training.

    Raises:
        WeightsError: Its weights are missing or damaged.
    """
    file = models / f"{name}.safetensors"
    return features.acts(file) if name == "au-reader" else features.looks(file)


def refuse_few(real: Faces) -> None:
    """Refuse too few faces to align to.

    Raises:
        DataError: There are fewer than ten.
    """
    if len(real) < LEAST_REAL:
        raise DataError(
            f"has {len(real)} faces", field=real.name, allowed=f"{LEAST_REAL} or more to align to"
        )


def align(
    synthetic: Faces, real: Faces, space: Space, *, most: float = MOST, seed: int = 0
) -> Alignment:
    """Weigh synthetic faces so that they are distributed as real ones.

    Args:
        synthetic: All with a label.
        real: Their labels are not looked at.
        space: Where the distributions are compared.
        most: How often a face may count against the mean, above 1.
        seed: Of which real faces are kept out.

    Raises:
        DataError: There are fewer than ten real faces.
        RequestError: `most` is not above 1.
    """
    refuse_few(real)
    if most <= 1:
        raise RequestError("is out of range", field="most", allowed="above 1")
    order = np.random.default_rng(seed).permutation(len(real))
    out, matched = np.split(order, [len(real) // 5])
    made, real_features = _standardised(space.read(synthetic.images), space.read(real.images))
    reach = bandwidth(made, real_features)
    within = kernel(made, made, reach)
    weights = mean_matching(within, kernel(made, real_features[matched], reach).mean(1), most)
    weights = keep_shares(weights, synthetic.labels)
    across = kernel(made, real_features[out], reach)
    apart = kernel(real_features[out], real_features[out], reach)
    even = np.full(len(made), 1 / len(made))
    before, after = (discrepancy(p, within, across, apart) for p in (even, weights))
    return Alignment(weights, space.name, reach, before, after, len(matched), len(out))


def _standardised(made: Floats, real: Floats) -> tuple[Floats, Floats]:
    """Both by the mean and standard deviation that each feature has in the two together."""
    pooled = np.concatenate([made, real])
    mean, deviation = pooled.mean(0), pooled.std(0) + 1e-9
    return (made - mean) / deviation, (real - mean) / deviation


def _squares(a: Floats, b: Floats) -> Floats:
    """(N, M) squared distances."""
    distances: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return distances.clip(min=0)


def bandwidth(made: Floats, real: Floats) -> float:
    """The median distance between synthetic and real faces."""
    return float(np.sqrt(np.median(_squares(made, real))))


def kernel(a: Floats, b: Floats, reach: float) -> Floats:
    """(N, M) Gaussian kernel of features (N, F) and (M, F)."""
    made: Floats = np.exp(-_squares(a, b) / (2 * reach**2))
    return made


def mean_matching(within: Floats, towards: Floats, most: float = MOST) -> Floats:
    """The weights (N,) of the module's equation, by accelerated projected gradients.

    Args:
        within: (N, N) kernel between synthetic faces.
        towards: (N,) mean kernel of each to the real ones.
        most: See the module.
    """
    count = len(within)
    step = 1 / np.linalg.norm(within, np.inf)
    weights = ahead = np.full(count, 1 / count)
    pace = 1.0
    for _ in range(_ROUNDS):
        moved = onto_simplex(ahead - step * (within @ ahead - towards), most / count)
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = moved + (pace - 1) / next_pace * (moved - weights)
        weights, pace = moved, next_pace
    return weights


def onto_simplex(values: Floats, cap: float) -> Floats:
    """The nearest weights (N,) that sum to 1 and lie between 0 and `cap`."""
    low, high = values.min() - cap, values.max()
    for _ in range(_SEARCH):
        middle = (low + high) / 2
        if np.clip(values - middle, 0, cap).sum() > 1:
            low = middle
        else:
            high = middle
    weights: Floats = np.clip(values - high, 0, cap)
    weights /= weights.sum()
    return weights


def keep_shares(weights: Floats, labels: NDArray[np.int64]) -> Floats:
    """Weights (N,) scaled within each class, so that it keeps its share of the faces.

    A class that was left without any weight gets equal ones.
    """
    kept = weights.copy()
    for label in np.unique(labels):
        rows = labels == label
        total = kept[rows].sum()
        share = rows.mean()
        kept[rows] = kept[rows] * share / total if total > 0 else share / rows.sum()
    return kept


def discrepancy(weights: Floats, within: Floats, across: Floats, apart: Floats) -> float:
    """Squared maximum mean discrepancy of weighted faces to others, without the pairs of one face.

    Args:
        weights: (N,) that sum to 1.
        within: (N, N) kernel between them.
        across: (N, M) kernel to the others.
        apart: (M, M) kernel between the others.
    """
    own = weights @ within @ weights - (weights**2 * np.diag(within)).sum()
    others = len(apart)
    theirs = (apart.sum() - np.trace(apart)) / (others * (others - 1))
    return float(own / (1 - (weights**2).sum()) - 2 * (weights @ across).mean() + theirs)
