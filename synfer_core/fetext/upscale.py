"""Faces with fewer pixels than the data set wants are enlarged by a super-resolution model.

Swin2SR (Conde et al. 2022, https://arxiv.org/abs/2209.11345) and its like come through
`transformers`; other architectures through `spandrel`, which is optional. Built in is Lanczos
interpolation, which adds no detail. Whatever does it is in every record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from synfer_core.errors import DependencyError, ModelError, WeightsError
from synfer_core.faces.align import align
from synfer_core.faces.landmarks import Face
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.language import loading, pretrained, pretrained_sha256

Pixels = NDArray[np.uint8]

_DAMAGE = (OSError, ValueError, RuntimeError, SafetensorError)

LANCZOS = "lanczos"
SPANDREL = "spandrel:"
"""What the path of a model for `spandrel` is prefixed with."""


class Upscaler(Protocol):
    """Enlarges faces."""

    @property
    def name(self) -> str:
        """What records call it."""

    @property
    def sha256(self) -> str:
        """Of its weights; empty where it has none."""

    def enlarge(self, image: Pixels) -> Pixels:
        """An image (N, N, 3) at least as large as it was."""


@dataclass(frozen=True)
class Lanczos:
    """Leaves it to the last step, which resizes with Lanczos."""

    name: str = LANCZOS
    sha256: str = ""

    def enlarge(self, image: Pixels) -> Pixels:
        """The image as it is."""
        return image


@dataclass(frozen=True)
class Network:
    """A network that enlarges by a whole factor.

    Attributes:
        name: What records call it.
        sha256: Of its weights.
        run: (1, 3, N, N) in 0 to 1 -> (1, 3, kN, kN), about 0 to 1.
        device: Where it runs.
    """

    name: str
    sha256: str
    run: Callable[[Tensor], Tensor]
    device: str

    @torch.inference_mode()
    def enlarge(self, image: Pixels) -> Pixels:
        """An image (N, N, 3) k times as large.

        Raises:
            ModelError: It answers with what is no number.
        """
        given = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255
        made = self.run(given)[0].float()
        if not torch.isfinite(made).all():
            raise ModelError("gave no finite pixels", field=self.name)
        pixels = (made.clamp(0, 1) * 255).round().to(torch.uint8)
        enlarged: Pixels = pixels.permute(1, 2, 0).cpu().numpy()
        return enlarged

    @classmethod
    def swin2sr(cls, source: str, device: str) -> Self:
        """A Swin2SR of `transformers`, by folder or id.

        Raises:
            WeightsError: There is none, or it is another kind of model.
        """
        from transformers import AutoConfig, Swin2SRForImageSuperResolution

        with loading(source, "a super-resolution model (Swin2SR)"):
            kind = AutoConfig.from_pretrained(source).model_type
            if kind != "swin2sr":
                raise WeightsError(f"is a {kind}", field=source, allowed="a Swin2SR")
            net = pretrained(Swin2SRForImageSuperResolution, source).to(device)
        return cls(
            f"{Path(source).name} (x{net.upscale})",
            pretrained_sha256(source),
            partial(_swin2sr, net),
            device,
        )

    @classmethod
    def spandrel(cls, path: Path, device: str) -> Self:
        """A model file in safetensors that `spandrel` knows, such as ESRGAN or HAT.

        Raises:
            DependencyError: spandrel, or the torchvision it needs, is not installed.
            WeightsError: The file is not one it knows.
        """
        try:
            from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
        except (ImportError, RuntimeError) as error:
            # A torchvision built for another torch raises RuntimeError when it is imported.
            raise DependencyError(
                f"spandrel cannot be imported ({error}); it also needs the torchvision that "
                "belongs to torch",
                field="--upscaler",
                allowed="pip install 'synfer-studio[upscale]', or lanczos, or a Swin2SR",
            ) from error
        if path.suffix != ".safetensors":
            raise WeightsError("is not safetensors", field=str(path), allowed="*.safetensors")
        try:
            net: Any = ModelLoader(device).load_from_file(path)
        except (*_DAMAGE, UnsupportedModelError) as error:
            raise WeightsError(f"cannot be loaded by spandrel: {error}", field=str(path)) from error
        if not isinstance(net, ImageModelDescriptor):
            raise WeightsError("does not map images to images", field=str(path))
        return cls(f"{path.stem} (x{net.scale})", file_sha256(path), net.eval(), device)


def _swin2sr(net: Any, image: Tensor) -> Tensor:
    """What it makes of an image padded to whole windows, without the padding.

    It pads by itself too, but then counts its patches as if it had not.
    """
    side = image.shape[-1]
    rest = -side % net.config.window_size
    padded = functional.pad(image, (0, rest, 0, rest), mode="replicate").to(net.dtype)
    size = side * net.upscale
    made: Tensor = net(padded).reconstruction[..., :size, :size]
    return made


def load(source: str, device: str = "cpu") -> Upscaler:
    """The upscaler of ``--upscaler``: ``lanczos``, a Swin2SR by folder or id, ``spandrel:FILE``.

    Raises:
        DependencyError, WeightsError: It cannot be loaded.
    """
    if source == LANCZOS:
        return Lanczos()
    if source.startswith(SPANDREL):
        return Network.spandrel(Path(source.removeprefix(SPANDREL)), device)
    return Network.swin2sr(source, device)


def crop(image: Pixels, face: Face, side: float, size: int, upscaler: Upscaler) -> Pixels:
    """The aligned face (size, size, 3); the upscaler is asked where the photo has fewer pixels.

    Args:
        image: The photo (H, W, 3).
        face: The face in it.
        side: Pixels of the photo on a side of the crop.
        size: Pixels on a side of what comes out.
        upscaler: Enlarges the crop at the photo's own scale; Lanczos brings it to `size`.

    Raises:
        ModelError: The upscaler gives no usable answer.
    """
    if side >= size:
        return align(image, face, size).image
    enlarged = upscaler.enlarge(align(image, face, round(side)).image)
    if len(enlarged) == size:
        return enlarged
    fitted = Image.fromarray(enlarged).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(fitted)
