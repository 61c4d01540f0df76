"""Calibration: an image to a distribution over the expressions that means what it says.

FERAnno's logits are divided by one temperature, fitted on validation images by their likelihood
(Guo et al. 2017, https://arxiv.org/abs/1706.04599), so that of the images read with confidence 0.8
about 80 in 100 are read right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import Tensor

from synfer_core.decoding import to_tensor
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, LEAST_READING, MAX_INTENSITY
from synfer_core.models import feranno
from synfer_core.models.feranno import Annotated, FERAnno, Looking, Readable
from synfer_core.report import AttentionMaps, Label, Pixels

_TEMPERATURES = (0.05, 20.0)
_QUERIES = (*(f"word:{i}:{name}" for i, name in enumerate(EXPRESSIONS)), *AU_SLOTS)


def nll(
    logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean negative log-likelihood of labels (N,) under logits (N, 8) at a temperature."""
    log_p = log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-log_p[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature in 0.05 to 20 under which labels (N,) are likeliest."""
    bounds = tuple(np.log(_TEMPERATURES))
    found = minimize_scalar(
        lambda t: nll(logits, labels, float(np.exp(t))), bounds=bounds, method="bounded"
    )
    return float(np.exp(found.x))


def calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15
) -> float:
    """Expected calibration error of probabilities (N, 8), over bins of equal width."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return _mean_gap(confidence, right, places)


def adaptive_calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15
) -> float:
    """The same over bins that hold equally many images (Nixon et al. 2019).

    https://arxiv.org/abs/1904.01685, with the likeliest class only.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    ranks = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    return _mean_gap(confidence, right, ranks * bins // len(labels))


def _mean_gap(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], places: NDArray[np.integer]
) -> float:
    """Mean over images of the gap between accuracy and mean confidence in their bin."""
    gaps = np.bincount(places, weights=right - confidence)
    return float(np.abs(gaps).sum() / len(right))


def doubtful(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], threshold: float
) -> NDArray[np.bool_]:
    """(N,) which labels the reading speaks against: their probability is below the threshold.

    The self-confidence of Northcutt et al. 2021 (https://arxiv.org/abs/1911.00068), which asks less
    than that the label be the likeliest: a face between two expressions may carry either.
    """
    given = probabilities[np.arange(len(labels)), labels]
    doubted: NDArray[np.bool_] = given < threshold
    return doubted


def fit_doubt(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], right_share: float
) -> float:
    """The highest threshold at which `doubtful` flags at most this share of right labels (N,)."""
    given = np.sort(probabilities[np.arange(len(labels)), labels])
    return float(given[min(int(right_share * len(given)), len(given) - 1)])


@dataclass(frozen=True)
class FERAnnoReader:
    """FERAnno with all it needs to read an image.

    Attributes:
        probe: Looks at images as in training.
        net: FERAnno.
        name: Its name and the start of its hash.
    """

    probe: Looking
    net: FERAnno
    name: str

    @classmethod
    def load(cls, path: Path, model: Readable) -> Self:
        """FERAnno for the model whose features it learned.

        Raises:
            WeightsError: The file is missing or damaged, or it learned another model's features.
        """
        net, sha256 = feranno.load(path)
        feranno.check_backbone(net, model.fingerprint())
        return cls(model.probe(), net, f"feranno {sha256[:8]}")

    @torch.no_grad()
    def annotate(self, images: NDArray[np.uint8]) -> Annotated:
        """Read images (N, S, S, 3) in the model's crop; another size than its own is resized."""
        config = self.net.config
        seen = self.probe.look(to_tensor(images), config.steps, config.taps)
        return self.net(seen)  # type: ignore[no-any-return]

    def units(self, image: Pixels) -> dict[str, float]:
        """Intensities (0-5) of the AUs that one face (S, S, 3) shows; faint ones are left out."""
        values = self.annotate(image[None]).aus[0].clamp(0, 1) * MAX_INTENSITY
        read = zip(AU_SLOTS, values.tolist(), strict=True)
        return {slot: round(value, 2) for slot, value in read if value >= LEAST_READING}

    def probabilities(self, images: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        """Calibrated probabilities (N, 8) of images (N, S, S, 3)."""
        rows = [images[i : i + batch] for i in range(0, len(images), batch)]
        return np.concatenate([self._calibrated(self.annotate(r)).numpy() for r in rows])

    def read(self, image: Pixels) -> tuple[Label, AttentionMaps]:
        """The label of one face (S, S, 3), and where each expression's and AU's query looked."""
        annotated = self.annotate(image[None])
        probabilities = self._calibrated(annotated)[0].double()
        mass = dict(zip(_QUERIES, annotated.attention[0].numpy(), strict=True))
        shares = (probabilities / probabilities.sum()).tolist()
        return Label(tuple(shares), self.name), AttentionMaps(mass)

    def _calibrated(self, annotated: Annotated) -> Tensor:
        return (annotated.logits / self.net.config.temperature).softmax(-1)
