"""Stage `classifier`: the expression classifier that guidance may follow.

It learns from the generator's own training people. The judges learn from others, so that guidance
has nothing to gain from their blind spots.
"""

from __future__ import annotations

from synfer_core.models.classifier import ClassifierConfig
from synfer_core.training.reading import ReadingTraining, train_reader

MINI = ReadingTraining(
    kind="classifier",
    net=ClassifierConfig("cnn", input_size=64, widths=(32, 64, 128), depths=(1, 1, 1)),
)
"""The classifier of both profiles: 0.02 GMAC an image, for guidance goes through it backwards."""

train = train_reader
