"""Stage `judge`: two readers of expressions that take no part in generation.

They differ in make and learn from people whom neither the generator nor its classifier has seen:
give a data set rendered from a seed of its own, and the generator's as `apart_from`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from synfer_core.models.classifier import ClassifierConfig
from synfer_core.training.reading import ReadingTraining, train_reader

JUDGES: Mapping[str, ReadingTraining] = MappingProxyType(
    {
        "resnet": ReadingTraining("judge", ClassifierConfig("resnet", input_size=96)),
        "convnextv2": ReadingTraining(
            "judge",
            ClassifierConfig(
                "convnextv2", input_size=96, widths=(32, 64, 128, 192), depths=(1, 1, 2, 1)
            ),
        ),
    }
)
"""The two judges by architecture: 0.09 and 0.03 GMAC an image."""

train = train_reader
