"""What is put into a Stable Diffusion U-Net and taken out again: an AU adapter, a LoRA, or both.

The AU adapter is our own (`au_adapter`), or has FineFace's tokens; LoRA is in `lora`. `inject` puts
them in, `eject` leaves the U-Net bit for bit as it was. Nothing is loaded that does not fit: each
name and each shape must be one of the U-Net's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from synfer_core.errors import WeightsError
from synfer_core.models import au_adapter, checkpoints, fineface, tensor_pickle
from synfer_core.models import lora as loras
from synfer_core.models.added import Added
from synfer_core.models.au_adapter import AdapterConfig, AUAdapter
from synfer_core.models.lora import LORA_FILE, Lora

KIND = "sd-adapter"
ENCODER_FILE, PROCESSORS_FILE = "au_encoder.ckpt", "attn_processors.ckpt"
"""FineFace's other two files."""

_PROCESSOR = re.compile(r"(.+\.attn2\.processor)\.au_to_([kv])\.weight")


@dataclass(frozen=True)
class SDAdapter:
    """An AU adapter and a LoRA for a U-Net; either may be absent.

    Attributes:
        units: Reads AUs beside the words.
        lora: Changes the U-Net's own layers, and the text encoder's where it has any.
        name: Under which `peft` keeps the LoRA; no two in one U-Net have the same.
    """

    units: AUAdapter | None = None
    lora: Lora = field(default_factory=Lora)
    name: str = "adapter"

    def inject(self, unet: Any, encoder: Any = None) -> None:
        """Put both into a U-Net, and a LoRA into its text encoder too where it has layers of it.

        Raises:
            WeightsError: A layer is not one of this model's, or has another shape.
            DependencyError: There is a LoRA, and `peft` is not installed.
        """
        if self.units is not None:
            _check_layers(self.units.config, unet)
        if self.lora:
            loras.put(self.lora, self.name, unet, encoder)
        if self.units is not None:
            self.units.inject(unet)

    def eject(self, unet: Any, encoder: Any = None) -> None:
        """Take out what `inject` put in."""
        if self.units is not None:
            self.units.eject(unet)
        if self.lora:
            loras.take(self.lora, self.name, unet, encoder)


def save(adapter: SDAdapter, path: Path) -> None:
    """Write an adapter into one file, in float32."""
    units = {} if adapter.units is None else adapter.units.state_dict()
    tensors = {f"units.{k}": v for k, v in units.items()}
    tensors |= {f"lora.{k}": v for k, v in adapter.lora.unet.items()}
    config = {"units": None if adapter.units is None else asdict(adapter.units.config)}
    scaled = {"alphas": adapter.lora.alphas, "metadata": adapter.lora.metadata}
    config |= {f"lora_{name}": dict(values) for name, values in scaled.items() if values}
    checkpoints.save(path, KIND, tensors, config, half=False)


def load(path: Path) -> tuple[SDAdapter, str]:
    """An adapter in evaluation mode, not injected, and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or no adapter.
    """
    checkpoint = checkpoints.load(path, KIND)
    known, config = ("units.", "lora."), checkpoint.config
    strange = [name for name in checkpoint.tensors if not name.startswith(known)]
    if strange:
        raise WeightsError(f"holds {strange[0]}", field=path.name, allowed="units and a LoRA")
    lora = Lora(
        Lora.of_unet(checkpoints.below(checkpoint.tensors, "lora.")).tensors,
        config.get("lora_alphas", {}),
        config.get("lora_metadata", {}),
    )
    values = config["units"]
    if values is None:
        return SDAdapter(None, lora), checkpoint.sha256
    units = AUAdapter(au_adapter.read_config(values))
    rest = checkpoints.below(checkpoint.tensors, "units.")
    held = checkpoints.Checkpoint(values, rest, checkpoint.sha256)
    checkpoints.fill(units, held, path.name)
    return SDAdapter(units.eval(), lora), checkpoint.sha256


def of(added: Added) -> tuple[tuple[SDAdapter, ...], tuple[str, ...]]:
    """What is to be injected into a backbone's U-Net, and the hash of each (see `load`)."""
    found: list[tuple[SDAdapter, str]] = []
    if added.adapter is not None:
        found.append(load(added.adapter))
    if added.lora is not None:
        lora, sha256 = loras.read(added.lora)
        found.append((SDAdapter(None, lora, "lora"), sha256))
    return tuple(adapter for adapter, _ in found), tuple(sha256 for _, sha256 in found)


def read_fineface(folder: Path) -> SDAdapter:
    """FineFace's three published files (see `fineface`) as an adapter; nothing in them is skipped.

    Raises:
        WeightsError: A file is missing or damaged, holds anything but tensors, or lacks a layer or
            has one too many.
    """
    encoder = tensor_pickle.load(folder / ENCODER_FILE)
    shapes = {name: tuple(tensor.shape) for name, tensor in encoder.items()}
    count, hidden = len(fineface.AUS), fineface.HIDDEN
    wanted = {"au_encoder.weight": (hidden, count), "au_encoder.bias": (hidden,)}
    if shapes != wanted:
        raise WeightsError(f"holds {shapes}", field=ENCODER_FILE, allowed=str(wanted))
    layers = _processors(tensor_pickle.load(folder / PROCESSORS_FILE))
    lora, _ = loras.read(folder / LORA_FILE)
    if lora.text_encoder:
        raise WeightsError("changes the text encoder", field=LORA_FILE, allowed="a U-Net's layers")
    width = next(iter(layers.values()))["k"].shape[1]
    config = AdapterConfig(
        width, tuple((name, pair["k"].shape[0]) for name, pair in layers.items()), "fineface"
    )
    tensors = {f"tokens.encoder.{k.rsplit('.', 1)[1]}": v for k, v in encoder.items()}
    for index, pair in enumerate(layers.values()):
        tensors |= {f"keys.{index}.weight": pair["k"], f"values.{index}.weight": pair["v"]}
    units = AUAdapter(config)
    checkpoints.fill(units, checkpoints.Checkpoint({}, tensors, ""), PROCESSORS_FILE)
    return SDAdapter(units.eval(), lora)


def _processors(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """By layer its ``k`` and ``v``."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _PROCESSOR.fullmatch(name)
        if match is None or tensor.ndim != 2:
            raise WeightsError(f"does not know {name}", field=PROCESSORS_FILE, allowed="au_to_k")
        layers.setdefault(match[1], {})[match[2]] = tensor
    halves = [name for name, pair in layers.items() if set(pair) != {"k", "v"}]
    widths = {pair["k"].shape[1] for pair in layers.values() if "k" in pair}
    if halves or len(widths) != 1 or min(widths) < fineface.LEAST_WIDTH:
        raise WeightsError(
            f"has half a layer: {halves[0]}" if halves else f"has tokens {sorted(widths)} wide",
            field=PROCESSORS_FILE,
            allowed="au_to_k and au_to_v of each cross-attention layer, all of one width",
        )
    return layers


def _check_layers(config: AdapterConfig, unet: Any) -> None:
    ours, theirs = dict(config.layers), dict(au_adapter.layers_of(unet))
    if config.token_width != unet.config.cross_attention_dim or ours != theirs:
        raise WeightsError(
            f"is for a U-Net with tokens {config.token_width} wide and {len(ours)} layers",
            field=KIND,
            allowed=f"tokens {unet.config.cross_attention_dim} wide, {len(theirs)} layers",
        )
