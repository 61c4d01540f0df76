"""Stage `au-reader`: the intensity of each AU and side off an image; the main gauge of control.

Like the judges it learns from people of its own. It alone sees free mixes of AUs, which is what
control is measured on.
"""

from __future__ import annotations

from synfer_core.models.classifier import ClassifierConfig
from synfer_core.training.reading import ReadingTraining, train_reader

MINI = ReadingTraining(
    "au-reader",
    ClassifierConfig("resnet", input_size=112, expressions=False, dropout=0.1),
    side_weight=0.5,
)
"""The AU reader of both profiles: 0.12 GMAC an image."""

train = train_reader
