"""A tiny model that can also read and be guided: readers and a guide with random weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from synfer_core.faces.landmarks import VARIABLE
from synfer_core.files import cache_folder
from synfer_core.models import classifier, feranno, latent_classifier
from synfer_core.models.builtin import BuiltinModel
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.feranno import FERAnno, FERAnnoConfig, Probe
from synfer_core.models.latent_classifier import LatentClassifier, LatentClassifierConfig
from synfer_core.synthesizer import Synthesizer


@pytest.fixture(scope="session", autouse=True)
def nothing_fetched() -> Iterator[None]:
    """Without MediaPipe's model at hand, it is missing: the studio would try to fetch it."""
    with pytest.MonkeyPatch.context() as patch:
        if VARIABLE not in os.environ and not (cache_folder() / "face_landmarker.task").is_file():
            patch.setenv(VARIABLE, str(Path(__file__).with_name("absent.task")))
        yield


def write_readers(folder: Path) -> None:
    """FERAnno, AU reader and guiding classifier for the model in a folder."""
    torch.manual_seed(1)
    model = BuiltinModel.load(folder)
    probe = Probe.build(model.denoiser, model.adapter, model.encoder)
    found = probe.features(torch.zeros(1, *model.latent_shape), steps=20, taps=(0,))
    channels = tuple((side, tensor.shape[1]) for side, tensor in found.items())
    backbone = feranno.fingerprint(model.codec, model.denoiser, model.adapter)
    config = FERAnnoConfig(channels, backbone, width=16, blocks=1, heads=2)
    feranno.save(FERAnno(config), folder / "feranno.safetensors", temperature=1.0)
    small = ClassifierConfig("cnn", 32, widths=(8, 8, 8, 8), expressions=False)
    classifier.save(Classifier(small), folder / "au-reader.safetensors", "au-reader")
    bases = model.codec.linear.fingerprint()
    sizes = LatentClassifierConfig(bases, 4, 8, own=4, width=8, blocks=1, hidden=8)
    latent_classifier.save(LatentClassifier(sizes), folder / latent_classifier.FILE)


@pytest.fixture(scope="session")
def reading_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder with readers added."""
    folder = tmp_path_factory.mktemp("reading-model")
    shutil.copytree(tiny_model_folder, folder, dirs_exist_ok=True)
    write_readers(folder)
    return folder


@pytest.fixture(scope="session")
def synthesizer(reading_folder: Path) -> Synthesizer:
    """A whole synthesizer, 64 px, whose faces are noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNFER_FACEKIT", raising=False)
        return Synthesizer.load(reading_folder)
