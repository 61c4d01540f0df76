"""Training on a GPU: nothing is left behind on the CPU. PyTorch's meta device stands in for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synfer_core.facekit.identity import CODE_SIZE
from synfer_core.facs import AU_SLOTS
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.feranno import FERAnno, FERAnnoConfig
from synfer_core.models.identity_reader import IdentityReader
from synfer_core.training import feranno, identity
from synfer_core.training.augment import Augmentation, augment
from synfer_core.training.dataset import FaceSet
from synfer_core.training.reading import ReadingTraining, batches

ELSEWHERE = "meta"
COUNT = 8


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def faces() -> FaceSet:
    return FaceSet(
        images=np.zeros((COUNT, 64, 64, 3), np.uint8),
        aus=np.zeros((COUNT, len(AU_SLOTS)), np.float32),
        expressions=np.zeros(COUNT, np.int64),
        identities=np.arange(COUNT),
        codes=np.zeros((COUNT, CODE_SIZE), np.float32),
        captions=("",) * COUNT,
        factors={},
    )


def test_the_reading_stages(generator: torch.Generator) -> None:
    net = ClassifierConfig("resnet", input_size=32, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1))
    reader = Classifier(net).to(ELSEWHERE)
    draw = batches(ReadingTraining("judge", net, batch=4), reader, faces())
    draw(generator)["total"].backward()


def test_the_identity_stage(generator: torch.Generator) -> None:
    config = identity.IdentityTraining(batch=4)
    net = IdentityReader(config.net).to(ELSEWHERE)
    loss = identity.identity_loss(net, faces(), np.arange(4), config, generator)
    loss.backward()
    assert loss.device.type == ELSEWHERE


def test_the_feranno_stage(generator: torch.Generator) -> None:
    samples = feranno.FeatureSet(
        features={4: torch.zeros(COUNT, 6, 4, 4).half()},
        expressions=torch.zeros(COUNT, dtype=torch.int64),
        aus=torch.zeros(COUNT, len(AU_SLOTS)),
        slight=torch.ones(COUNT, dtype=torch.bool),
    )
    config = FERAnnoConfig(channels=((4, 6),), backbone="", width=16, blocks=1)
    draw = feranno.batches(feranno.AROUND, FERAnno(config).to(ELSEWHERE), samples)
    draw(generator)["total"].backward()


def test_augmentation_leaves_images_where_they_are(generator: torch.Generator) -> None:
    images = torch.zeros(10, 3, 32, 32, device=ELSEWHERE)
    assert augment(images, generator, Augmentation()).device.type == ELSEWHERE
