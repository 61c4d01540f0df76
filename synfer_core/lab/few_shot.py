"""Few-shot recognition: the nearest prototype (Snell et al. 2017, https://arxiv.org/abs/1703.05175).

In an episode, k faces of each expression give its prototype, the mean of their features (equation
1), and other faces take the expression whose prototype lies nearest (equation 2) by the squared
Euclidean distance. What differs: the features are frozen, made by pre-training or supervised
training on synthetic faces, where the paper trains through episodes; and they have unit length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import DataError, RequestError
from synfer_core.evaluation.confusion import by_name, confusion
from synfer_core.evaluation.estimates import Estimate
from synfer_core.facs import EXPRESSIONS
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Backbone, in_batches

_NORMAL = 1.96


@dataclass(frozen=True)
class Episodes:
    """What is drawn.

    Attributes:
        shots: Faces of each expression that make its prototype.
        queries: Other faces of each expression that are read in an episode.
        count: Episodes.
        seed: Of the draws.
    """

    shots: int = 5
    queries: int = 10
    count: int = 600
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("shots", "queries"):
            if getattr(self, name) < 1:
                raise RequestError("is out of range", field=f"--{name}", allowed="1 or more")
        if self.count < 2:
            raise RequestError("is out of range", field="--episodes", allowed="2 or more")


@dataclass(frozen=True)
class FewShot:
    """What came of the episodes.

    Attributes:
        shares: (episodes,) share of the queries read right.
        table: (8, 8) counts over all episodes: row true, column read.
        classes: Names of the expressions that took part.
    """

    shares: NDArray[np.float64]
    table: NDArray[np.int64]
    classes: tuple[str, ...]

    @property
    def accuracy(self) -> Estimate:
        """Mean over the episodes and its 95 % interval, as usual from their spread.

        It covers the draw of episodes, not that of the test set.
        """
        mean = float(self.shares.mean())
        reach = _NORMAL * float(self.shares.std(ddof=1) / np.sqrt(len(self.shares)))
        return Estimate(mean, mean - reach, mean + reach)

    def to_dict(self) -> dict[str, Any]:
        """As JSON; classes come equally often, so accuracy is balanced."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "balanced_accuracy": self.accuracy.to_dict(),
            "chance": round(1 / len(self.classes), 4),
            "episodes": len(self.shares),
            "confusion": by_name(self.table),
        }


def measure(backbone: Backbone, faces: Faces, episodes: Episodes) -> FewShot:
    """Read faces by prototypes of a few others.

    Args:
        backbone: In evaluation mode.
        faces: All with a label; prototypes and queries are drawn from them.
        episodes: What is drawn.

    Raises:
        DataError: An expression has fewer faces than shots and queries together.
    """
    features = in_batches(backbone, faces.images).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-12
    members = {c: np.flatnonzero(faces.labels == c) for c in np.unique(faces.labels)}
    need = episodes.shots + episodes.queries
    for label, rows in members.items():
        if len(rows) < need:
            raise DataError(
                f"has {len(rows)} faces of {EXPRESSIONS[label]}",
                field=faces.name,
                allowed=f"{need} or more, shots and queries together",
            )
    rng = np.random.default_rng(episodes.seed)
    results = [_episode(features, members, episodes, rng) for _ in range(episodes.count)]
    truth, read = (np.concatenate(part) for part in zip(*results, strict=True))
    shares = np.array([(t == r).mean() for t, r in results])
    return FewShot(shares, confusion(truth, read), tuple(EXPRESSIONS[c] for c in members))


def _episode(
    features: NDArray[np.float64],
    members: dict[int, NDArray[np.int64]],
    episodes: Episodes,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and read labels of the queries of one episode."""
    classes = np.array(list(members))
    need = episodes.shots + episodes.queries
    drawn = np.stack([rng.choice(rows, need, replace=False) for rows in members.values()])
    prototypes = features[drawn[:, : episodes.shots]].mean(1)
    queries = features[drawn[:, episodes.shots :]].reshape(-1, features.shape[1])
    distances = ((queries[:, None] - prototypes[None]) ** 2).sum(2)
    return np.repeat(classes, episodes.queries), classes[distances.argmin(1)]
