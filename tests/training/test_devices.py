"""Training on a GPU: nothing is left behind on the CPU. PyTorch's meta device stands in for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synfer_core.facekit.identity import CODE_SIZE
from synfer_core.facs import AU_SLOTS
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.codec import Codec, CodecConfig
from synfer_core.models.denoiser import Denoiser, DenoiserConfig
from synfer_core.models.feranno import FERAnno, FERAnnoConfig
from synfer_core.models.identity_reader import IdentityReader
from synfer_core.models.latent_classifier import LatentClassifier, LatentClassifierConfig
from synfer_core.training import feranno, identity
from synfer_core.training.au_adapter import AdapterTraining, adapter_loss
from synfer_core.training.augment import Augmentation, augment
from synfer_core.training.codec import CodecTraining, face_weights, reconstruction
from synfer_core.training.dataset import FaceSet
from synfer_core.training.denoiser import DenoiserTraining, Noiser, denoiser_loss
from synfer_core.training.joint import JointTraining, Pair, joint_loss
from synfer_core.training.latent_classifier import LabelledLatents, LatentTraining, latent_losses
from synfer_core.training.latents import LatentSet
from synfer_core.training.reading import ReadingTraining, batches

ELSEWHERE = "meta"
COUNT = 8
SMALL = DenoiserConfig(latent_size=4, latent_channels=4, widths=(32, 32), heads=2)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def latents() -> LatentSet:
    return LatentSet(
        latents=torch.randn(COUNT, 4, 4, 4).half(),
        states=torch.randn(COUNT, 48, 384).half(),
        mask=torch.ones(COUNT, 48, dtype=torch.bool),
        codes=torch.randn(COUNT, CODE_SIZE),
        people=torch.arange(COUNT),
        aus=torch.rand(COUNT, len(AU_SLOTS)),
        null_states=torch.randn(1, 48, 384),
        null_mask=torch.ones(1, 48, dtype=torch.bool),
    ).to(ELSEWHERE)


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


def test_the_denoiser_stages(generator: torch.Generator) -> None:
    samples, noiser = latents(), Noiser()
    denoiser = Denoiser(SMALL)
    adapter = AUAdapter.for_unet(denoiser.unet, SMALL.token_width)
    pair = Pair(denoiser, adapter).to(ELSEWHERE)
    weights = torch.ones(4, 4, 4, device=ELSEWHERE)
    alone = denoiser_loss(samples, denoiser, noiser, DenoiserTraining(SMALL), generator)
    both = joint_loss(samples, pair, noiser, weights, JointTraining(batch=COUNT), generator)
    adapter.inject(denoiser.unet)
    frozen = adapter_loss(samples, denoiser, adapter, noiser, AdapterTraining(), generator)
    for loss in (alone, both, frozen):
        loss.backward()
        assert loss.device.type == ELSEWHERE


def test_the_codec_stage() -> None:
    codec = Codec(CodecConfig(image_size=64)).to(ELSEWHERE)
    images = torch.zeros(2, 3, 64, 64, device=ELSEWHERE)
    config = CodecTraining(CodecConfig(image_size=64))
    losses = reconstruction(codec, images, face_weights(64).to(ELSEWHERE), config)
    losses["total"].backward()
    assert losses["total"].device.type == ELSEWHERE


def test_the_reading_stages(generator: torch.Generator) -> None:
    net = ClassifierConfig("resnet", input_size=32, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1))
    reader = Classifier(net).to(ELSEWHERE)
    draw = batches(ReadingTraining("judge", net, batch=4), reader, faces(), None)
    draw(generator)["total"].backward()


def test_the_latent_classifier_stage(generator: torch.Generator) -> None:
    samples = LabelledLatents(
        latents=torch.randn(COUNT, 4, 4, 4),
        aus=torch.rand(COUNT, len(AU_SLOTS)),
        expressions=torch.zeros(COUNT, dtype=torch.int64),
        slight=torch.ones(COUNT, dtype=torch.bool),
    ).to(ELSEWHERE)
    net = LatentClassifier(LatentClassifierConfig("", 4, 4)).to(ELSEWHERE)
    spread = torch.ones(len(AU_SLOTS), device=ELSEWHERE)
    losses = latent_losses(net, samples, spread, LatentTraining(batch=4), generator)
    losses["total"].backward()
    assert losses["total"].device.type == ELSEWHERE


def test_the_identity_stage(generator: torch.Generator) -> None:
    config = identity.IdentityTraining(batch=4)
    net = IdentityReader(config.net).to(ELSEWHERE)
    loss = identity.identity_loss(net, faces(), np.arange(4), config, None, generator)
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
    draw = feranno.batches(feranno.MINI, FERAnno(config).to(ELSEWHERE), samples)
    draw(generator)["total"].backward()


def test_augmentation_leaves_images_where_they_are(generator: torch.Generator) -> None:
    images = torch.zeros(10, 3, 32, 32, device=ELSEWHERE)
    assert augment(images, generator, Augmentation()).device.type == ELSEWHERE
