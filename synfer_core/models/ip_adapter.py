"""IP-Adapter: the person of a picture, read beside the words by decoupled cross-attention.

Ye et al. 2023, https://arxiv.org/abs/2308.06721, section 3.2 and equation 5. CLIP's image encoder
looks at the picture, a projection turns what it saw into tokens, and every cross-attention layer
has keys and values for them. Files are those that its authors publish, with the encoder's folder
beside them; the projection is built by `diffusers`. ``plus`` and ``full-face`` files read all
places of the encoder's last layer but one, the others its one embedding of the whole picture.
Where no picture counts, as in the empty branch of classifier-free guidance, tokens are those of a
black picture or of an embedding of zeros, as in training. `inject` puts the layers in, `eject`
leaves the U-Net bit for bit as it was.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synfer_core import editing
from synfer_core.errors import WeightsError
from synfer_core.models import attention, checkpoints, sd_parts
from synfer_core.models.attention import AdapterInput, Decoupled
from synfer_core.models.au_adapter import layers_of
from synfer_core.report import Pixels
from synfer_core.request import USUAL_IDENTITY_SCALE, Recipe

ENCODER = "image_encoder"
"""Folder of CLIP's image encoder, beside the adapter's file."""
FIELD = "identity_image"
"""The recipe's field with the picture."""
FILES = "ip-adapter*.safetensors"
KNOWN = "ip-adapter_sd15, ip-adapter-plus-face_sd15, ip-adapter-full-face_sd15 or one built alike"

_LAYER = re.compile(r"(\d+)\.to_([kv])_ip\.weight")
_FACE_ID = (
    "is a FaceID variant; its embeddings need insightface, which brings an OpenCV package that "
    "breaks the one used here"
)


@dataclass(frozen=True)
class IPAdapter:
    """An IP-Adapter with what it needs to look at a picture.

    Attributes:
        layers: By the name of a cross-attention processor, keys and values of the tokens.
        projection: From what the encoder saw to tokens.
        encoder: CLIP's image encoder; it is on the device only while it looks.
        looks_at: Brings a picture to the encoder's size and colours.
        pooled: Whether tokens come from the embedding of the whole picture.
        device: Where the encoder works.
        sha256: Hash over all of it.
    """

    layers: Mapping[str, Decoupled]
    projection: nn.Module
    encoder: Any
    looks_at: Any
    pooled: bool
    device: torch.device
    sha256: str
    _one: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def inject(self, unet: Any) -> None:
        """Let the cross-attention layers of a U-Net read a picture's tokens.

        Raises:
            WeightsError: A layer is not one of this U-Net's, or has another shape.
        """
        ours = {name: tuple(one.key.weight.shape) for name, one in self.layers.items()}
        theirs = shapes_of(unet)
        if ours != theirs:
            raise WeightsError(
                f"is for a U-Net with {_told(ours)}", field="IP-Adapter", allowed=_told(theirs)
            )
        attention.put(unet, self.layers)

    def eject(self, unet: Any) -> None:
        """Undo `inject`, whatever else was put in since."""
        attention.take(unet, self.layers)

    def weights_of(self, weights: str, recipe: Recipe) -> str:
        """Hash over all weights that make a recipe's pixels, from that of all others.

        Raises:
            RequestError: The recipe's picture is a sample that is not there.
            ImageError: It is damaged.
            UnsupportedError: It is not square.
        """
        if recipe.identity_image is None:
            return weights
        editing.square_of(recipe.identity_image, FIELD)
        return hashlib.sha256((weights + self.sha256).encode()).hexdigest()

    def read(self, recipe: Recipe) -> tuple[AdapterInput | None, AdapterInput | None]:
        """What a U-Net reads of a recipe's picture, and what it reads of none; see `weights_of`."""
        scale = recipe.identity_scale
        scale = USUAL_IDENTITY_SCALE if scale is None else scale
        if recipe.identity_image is None or scale == 0:
            return None, None
        shown, none = self.tokens(editing.square_of(recipe.identity_image, FIELD)).split(1)
        scales = torch.tensor([scale])
        return AdapterInput(shown, scales), AdapterInput(none, scales)

    @torch.no_grad()
    def tokens(self, picture: Pixels) -> Tensor:
        """Tokens (2, N, width) in float32 on the CPU: of a picture (S, S, 3), and of none."""
        values = self.looks_at(picture, return_tensors="pt").pixel_values
        offload = self.encoder.device != self.device
        with (
            self._one,
            sd_parts.at_work(self.encoder, self.device, offload=offload),
            sd_parts.at_work(self.projection, self.device, offload=offload),
        ):
            seen = self._seen(values.to(self.device, self.encoder.dtype))
            tokens: Tensor = self.projection(seen).float().cpu()
        return tokens

    def _seen(self, values: Tensor) -> Tensor:
        """What the encoder makes of pixels (1, 3, S, S), and of none."""
        if self.pooled:
            embedding: Tensor = self.encoder(values).image_embeds
            return torch.cat([embedding, torch.zeros_like(embedding)])
        both = torch.cat([values, torch.zeros_like(values)])
        places: Tensor = self.encoder(both, output_hidden_states=True).hidden_states[-2]
        return places


def file_of(where: Path) -> Path:
    """The adapter's file: as named, or the only one in a folder.

    Raises:
        WeightsError: There is none, there are several, or no encoder lies beside it.
    """
    found = sorted(where.glob(FILES)) if where.is_dir() else [where]
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise WeightsError(
            f"holds several: {names}; name one" if found else f"holds no {FILES}",
            field=where.name,
            allowed=KNOWN,
        )
    if not (found[0].parent / ENCODER / "config.json").is_file():
        raise WeightsError(
            f"has no {ENCODER}/ beside it",
            field=found[0].name,
            allowed="CLIP's image encoder as transformers saves it",
        )
    return found[0]


def count_weights(where: Path) -> int:
    """How many weights the image encoder has; only the files' heads are read.

    Raises:
        WeightsError: There is no adapter, or no encoder beside it.
    """
    return sd_parts.count_weights(file_of(where).parent, (ENCODER,))


def load(where: Path, unet: Any, device: torch.device) -> IPAdapter:
    """Read an adapter for a U-Net, in the U-Net's number format; it is not injected.

    Args:
        where: The adapter's file, or the folder that holds it.
        unet: The U-Net that it will be injected into.
        device: Where the encoder works; between pictures it waits on the CPU.

    Raises:
        WeightsError: A file is missing or damaged, has another layout, or does not fit the others.
    """
    file = file_of(where)
    tensors = checkpoints.tensors_of(file, "an IP-Adapter as safetensors")
    projected = checkpoints.below(tensors, "image_proj.")
    attended = checkpoints.below(tensors, "ip_adapter.")
    _check_layout(file, tensors, projected, attended)
    layers = _layers(file, attended, unet)
    projection, pooled = _projection(file, projected, unet)
    encoder, looks_at = _encoder(file.parent / ENCODER, unet.dtype)
    width = encoder.config.projection_dim if pooled else encoder.config.hidden_size
    _check_widths(file, projection, (1, width) if pooled else (1, 2, width), unet)
    parts = checkpoints.file_sha256(file), sd_parts.folder_sha256(file.parent, (ENCODER,))
    sha256 = hashlib.sha256("".join(parts).encode()).hexdigest()
    projection.to(dtype=unet.dtype)
    return IPAdapter(layers, projection, encoder, looks_at, pooled, device, sha256)


def shapes_of(unet: Any) -> dict[str, tuple[int, int]]:
    """By the names of a U-Net's cross-attention processors: shapes of keys for tokens of text."""
    return {name: (width, unet.config.cross_attention_dim) for name, width in layers_of(unet)}


def _told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    widths = sorted({shape[-1] for shape in shapes.values()})
    return f"tokens {', '.join(map(str, widths))} wide and {len(shapes)} cross-attention layers"


def _check_layout(file: Path, tensors: Mapping[str, Tensor], *parts: Mapping[str, Tensor]) -> None:
    projected, attended = parts
    resampled = "perceiver_resampler.proj_in.weight" in projected
    embedded = "norm.weight" in projected and "proj.0.weight" in projected
    if resampled or embedded or any("_lora." in name for name in attended):
        raise WeightsError(_FACE_ID, field=file.name, allowed=KNOWN)
    strange = set(tensors) - {f"image_proj.{n}" for n in projected}
    strange -= {f"ip_adapter.{n}" for n in attended if _LAYER.fullmatch(n)}
    if strange or not projected or not attended:
        found = min(strange) if strange else "half of it"
        raise WeightsError(f"holds {found}", field=file.name, allowed="image_proj and ip_adapter")


def _layers(file: Path, tensors: Mapping[str, Tensor], unet: Any) -> dict[str, Decoupled]:
    """Keys and values by layer; files count all layers of a U-Net, and these are every second."""
    shapes = shapes_of(unet)
    wanted = {
        f"{2 * index + 1}.to_{part}_ip.weight": shape
        for index, shape in enumerate(shapes.values())
        for part in "kv"
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != wanted:
        keys = {n: shape for n, shape in found.items() if ".to_k_" in n}
        raise WeightsError(
            f"is for a U-Net with {_told(keys)}", field=file.name, allowed=_told(shapes)
        )
    pairs = (
        [_linear(tensors[f"{2 * index + 1}.to_{part}_ip.weight"], unet) for part in "kv"]
        for index in range(len(shapes))
    )
    return {name: Decoupled("image", *pair) for name, pair in zip(shapes, pairs, strict=True)}


def _linear(weight: Tensor, unet: Any) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.load_state_dict({"weight": weight}, assign=True)
    return layer.requires_grad_(False).to(unet.device, unet.dtype)


def _projection(file: Path, tensors: Mapping[str, Tensor], unet: Any) -> tuple[nn.Module, bool]:
    """The projection as `diffusers` builds it, and whether it reads one embedding."""
    from diffusers.models.embeddings import ImageProjection

    try:
        built = unet._convert_ip_adapter_image_proj_to_diffusers(
            dict(tensors), low_cpu_mem_usage=False
        )
    except (KeyError, IndexError, RuntimeError) as error:
        raise WeightsError(
            f"has another image_proj: {error}", field=file.name, allowed=KNOWN
        ) from error
    return built.eval().requires_grad_(False), isinstance(built, ImageProjection)


def _encoder(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """CLIP's image encoder on the CPU, and what brings pictures to its size.

    The size is the encoder's, the colours are CLIP's, as `diffusers` has it.
    """
    from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

    encoder = checkpoints.pretrained(CLIPVisionModelWithProjection, folder, dtype=dtype)
    side = encoder.config.image_size
    return encoder, CLIPImageProcessorPil(size=side, crop_size=side)


def _check_widths(file: Path, projection: nn.Module, shape: tuple[int, ...], unet: Any) -> None:
    """Try the projection on zeros: it must read what the encoder makes and suit the U-Net."""
    wanted = unet.config.cross_attention_dim
    try:
        made = projection(torch.zeros(shape)).shape[-1]
    except RuntimeError as error:
        raise WeightsError(
            f"belongs to another image encoder than one {shape[-1]} wide", field=file.name
        ) from error
    if made != wanted:
        raise WeightsError(f"makes tokens {made} wide", field=file.name, allowed=str(wanted))
