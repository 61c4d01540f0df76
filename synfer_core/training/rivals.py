"""Rivals of FERAnno, trained the same way: a pixel classifier, and FERAnno on a random denoiser.

Both see the same images with the same changed copies, for the same time and with the same losses
(`feranno.learn`), so that what FERAnno has beyond them comes from the features of the trained
denoiser. The pixel classifier has as many parameters as FERAnno. Their weights do not ship.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synfer_core.calibration import FERAnnoReader
from synfer_core.decoding import to_tensor
from synfer_core.errors import WeightsError
from synfer_core.faces.align import READ_SIZE
from synfer_core.models import checkpoints
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.feranno import Annotated, Features, FERAnno, Looking
from synfer_core.reference import model as reference
from synfer_core.reference.denoiser import ReferenceDenoiser
from synfer_core.reference.probe import ReadableReference
from synfer_core.reference.units import UnitAdapter
from synfer_core.training import feranno
from synfer_core.training.feranno import FeatureSet, FERAnnoTraining, Method
from synfer_core.training.loop import Schedule

Rival = Literal["pixels", "random-unet"]
RIVALS: tuple[Rival, ...] = ("pixels", "random-unet")

_KIND = "feranno-pixels"
_FILE = "feranno.safetensors"
_LANE = 8


class Reader(Protocol):
    """Reads expressions."""

    @property
    def net(self) -> nn.Module:
        """The network that was trained."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities (N, 8) of images (N, S, S, 3)."""


class PixelNet(nn.Module):
    """A ResNet on pixels (He et al. 2016, https://arxiv.org/abs/1512.03385), in FERAnno's place."""

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.net = Classifier(config)

    def forward(self, features: Features) -> Annotated:
        """Images, as features of their own size, to logits and AU intensities."""
        (images,) = features.values()
        reading = self.net(images)
        nowhere = images.new_zeros(len(images), 0, 1, 1)
        return Annotated(reading.expressions, reading.aus, nowhere)


@dataclass(frozen=True)
class PixelReader:
    """The pixel classifier with its temperature.

    Attributes:
        net: The network.
        temperature: Divides the logits; fitted on validation images.
    """

    net: PixelNet
    temperature: float

    @torch.no_grad()
    def probabilities(self, images: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        """Calibrated probabilities (N, 8) of images (N, S, S, 3)."""
        rows = [to_tensor(images[i : i + batch]) for i in range(0, len(images), batch)]
        logits = torch.cat([self.net({r.shape[-1]: r}).logits for r in rows])
        return cast(NDArray[np.float32], (logits / self.temperature).softmax(-1).numpy())

    @classmethod
    def load(cls, path: Path) -> PixelReader:
        """Read its weights.

        Raises:
            WeightsError: The file is missing, damaged or no pixel classifier.
        """
        checkpoint = checkpoints.load(path, _KIND)
        values = dict(checkpoint.config)
        temperature = float(values.pop("temperature"))
        config = replace(checkpoint, config=values)
        net = PixelNet(checkpoints.config_of(config, ClassifierConfig))
        checkpoints.fill(net, checkpoint, path.name)
        return cls(net.eval().requires_grad_(False), temperature)


def save_pixels(net: PixelNet, path: Path, *, temperature: float) -> None:
    """Write a pixel classifier with its config and its fitted temperature."""
    config = asdict(net.net.config) | {"temperature": temperature}
    checkpoints.save(path, _KIND, net.state_dict(), config)


def parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters())


def equal_size(count: int) -> ClassifierConfig:
    """A ResNet of the judges' proportions with about `count` parameters.

    Parameters grow about as the square of the widths; the closest of those around it is taken.
    Widths are multiples of 8: for others oneDNN's convolutions on CPUs write beyond their memory
    when they go backwards.
    """
    base = ClassifierConfig("resnet")
    scale = (count / _size(base)) ** 0.5
    near = [_lanes(w * scale) for w in base.widths]
    configs = [replace(base, widths=widths) for widths in itertools.product(*near)]
    return min(configs, key=lambda config: abs(_size(config) - count))


def _lanes(width: float) -> tuple[int, ...]:
    """Widths that may stand for one."""
    below = int(width / _LANE)
    return tuple(_LANE * n for n in {max(1, below), below + 1})


def _size(config: ClassifierConfig) -> int:
    with torch.device("meta"):
        return parameters(Classifier(config))


def on_pixels(probe: Looking, config: FERAnnoTraining) -> Method:
    """A classifier of pixels with as many parameters as FERAnno has on what a probe sees."""
    features = feranno.inverted(probe, config)(torch.zeros(1, 3, READ_SIZE, READ_SIZE))
    channels = {side: t.shape[1] for side, t in features.items()}

    def network(samples: FeatureSet) -> PixelNet:
        with torch.device("meta"):
            rival = FERAnno(feranno.network_config(config, channels, probe, backbone=""))
        net = PixelNet(equal_size(parameters(rival)))
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def save(net: nn.Module, path: Path, temperature: float) -> None:
        save_pixels(cast(PixelNet, net), path, temperature=temperature)

    return Method(_pixels, network, save)


def _pixels(images: Tensor) -> Features:
    return {images.shape[-1]: images.half()}


def draw(model: ReadableReference, folder: Path, seed: int) -> None:
    """Write a denoiser and an adapter of a model's sizes with random weights."""
    torch.manual_seed(seed)
    mixer = ReferenceDenoiser(model.model.denoiser.config)
    reference.save_denoiser(mixer, folder / reference.DENOISER)
    units = UnitAdapter(model.model.adapter.config)
    reference.save_adapter(units, folder / reference.ADAPTER)


def with_drawn(model: ReadableReference, folder: Path) -> ReadableReference:
    """The model with the denoiser and the adapter of a folder.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    mixer, _ = reference.load_denoiser(folder / reference.DENOISER)
    units, _ = reference.load_adapter(folder / reference.ADAPTER)
    units.inject(mixer)
    return replace(model, model=replace(model.model, denoiser=mixer, adapter=units))


def train(
    rival: Rival,
    config: FERAnnoTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    limit: int | None = None,
) -> Reader:
    """Train a rival into a folder of its name below `out`; see `feranno.train`.

    Raises:
        DataError: The data set is empty.
        WeightsError: A weight file is missing or damaged.
    """
    model, folder = feranno.readable(models), out / rival
    if rival == "pixels":
        method = on_pixels(model.probe(), config)
    else:
        if not (resume and (folder / reference.DENOISER).exists()):
            draw(model, folder, schedule.seed)
        method = feranno.on_model(with_drawn(model, folder), config)
    feranno.learn(method, config, schedule, data, folder / _FILE, resume=resume, limit=limit)
    return load(out, model)[rival]


def load(folder: Path, model: ReadableReference) -> Mapping[str, Reader]:
    """The rivals in a folder, by name.

    Args:
        folder: What was `out` in training.
        model: The model whose other parts they share.

    Raises:
        WeightsError: There is none, or one is damaged.
    """
    readers: dict[str, Reader] = {}
    for name in RIVALS:
        path = folder / name / _FILE
        if not path.exists():
            continue
        if name == "pixels":
            readers[name] = PixelReader.load(path)
        else:
            readers[name] = FERAnnoReader.load(path, with_drawn(model, path.parent))
    if not readers:
        allowed = " or ".join(f"{name}/{_FILE}" for name in RIVALS)
        raise WeightsError("no rival here", field=str(folder), allowed=allowed)
    return readers
