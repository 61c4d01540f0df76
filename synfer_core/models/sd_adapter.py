"""What is put into a Stable Diffusion U-Net and taken out again: an AU adapter, a LoRA, or both.

The AU adapter is our own (`au_adapter`), or has FineFace's tokens. LoRA
(Hu et al. 2021, https://arxiv.org/abs/2106.09685) goes through `peft`. `inject` puts them in,
`eject` leaves the U-Net bit for bit as it was. Nothing is loaded that does not fit: each name and
each shape must be one of the U-Net's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from synfer_core.errors import DependencyError, WeightsError
from synfer_core.models import au_adapter, checkpoints, fineface, tensor_pickle
from synfer_core.models.added import Added
from synfer_core.models.au_adapter import AdapterConfig, AUAdapter

KIND = "sd-adapter"
LORA_FILE = "pytorch_lora_weights.safetensors"
"""Name of a LoRA's file as `diffusers` writes and finds it."""
ENCODER_FILE, PROCESSORS_FILE = "au_encoder.ckpt", "attn_processors.ckpt"
"""FineFace's other two files."""

Lora = Mapping[str, Tensor]
"""By the U-Net's layer and ``.lora_A.weight`` (down) or ``.lora_B.weight`` (up), as `peft` has it.
"""

_PROCESSOR = re.compile(r"(.+\.attn2\.processor)\.au_to_([kv])\.weight")
_LORA_KEY = re.compile(r".+\.lora_[AB]\.weight")


@dataclass(frozen=True)
class SDAdapter:
    """An AU adapter and a LoRA for a U-Net; either may be absent.

    Attributes:
        units: Reads AUs beside the words.
        lora: Changes the U-Net's own layers; scaled by 1, as `diffusers` loads it.
        name: Under which `peft` keeps the LoRA; no two in one U-Net have the same.
    """

    units: AUAdapter | None = None
    lora: Lora = field(default_factory=dict)
    name: str = "adapter"

    def inject(self, unet: Any) -> None:
        """Put both into a U-Net.

        Raises:
            WeightsError: A layer is not one of this U-Net's, or has another shape.
            DependencyError: There is a LoRA, and `peft` is not installed.
        """
        if self.units is not None:
            _check_layers(self.units.config, unet)
        if self.lora:
            put_lora(unet, self.lora, self.name)
        if self.units is not None:
            self.units.inject(unet)

    def eject(self, unet: Any) -> None:
        """Take out what `inject` put in."""
        if self.units is not None:
            self.units.eject(unet)
        if self.lora:
            take_lora(unet, self.name)


def save(adapter: SDAdapter, path: Path) -> None:
    """Write an adapter into one file, in float32."""
    units = {} if adapter.units is None else adapter.units.state_dict()
    tensors = {f"units.{k}": v for k, v in units.items()}
    tensors |= {f"lora.{k}": v for k, v in adapter.lora.items()}
    config = {"units": None if adapter.units is None else asdict(adapter.units.config)}
    checkpoints.save(path, KIND, tensors, config, half=False)


def load(path: Path) -> tuple[SDAdapter, str]:
    """An adapter in evaluation mode, not injected, and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or no adapter.
    """
    checkpoint = checkpoints.load(path, KIND)
    lora = checkpoints.below(checkpoint.tensors, "lora.")
    values = checkpoint.config["units"]
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
        lora, sha256 = load_lora(added.lora)
        found.append((SDAdapter(None, lora, "lora"), sha256))
    return tuple(adapter for adapter, _ in found), tuple(sha256 for _, sha256 in found)


def save_lora(lora: Lora, path: Path) -> None:
    """Write a LoRA as `diffusers` writes it, for any program that reads such files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"unet.{name}": t.detach().cpu().contiguous() for name, t in lora.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def load_lora(path: Path) -> tuple[Lora, str]:
    """A LoRA of a U-Net from a file of `diffusers`, older spellings included, and its SHA-256.

    Raises:
        WeightsError: The file is missing or damaged, or changes more than a U-Net.
    """
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    tensors = checkpoints.tensors_of(path, "a LoRA as safetensors")
    strange = [name for name in tensors if not name.startswith("unet.")]
    if strange:
        raise WeightsError(
            f"{strange[0]} is no layer of a U-Net", field=path.name, allowed="names from unet. on"
        )
    bare = checkpoints.below(tensors, "unet.")
    if not all("lora_A" in name or "lora_B" in name for name in bare):
        bare = convert_unet_state_dict_to_peft(bare)
    wrong = [name for name in bare if not _LORA_KEY.fullmatch(name)]
    if wrong or not bare:
        raise WeightsError(f"{(wrong or ['nothing'])[0]} is no part of a LoRA", field=path.name)
    return bare, checkpoints.file_sha256(path)


def put_lora(unet: Any, lora: Lora, name: str) -> None:
    """Put a LoRA into a U-Net beside those that it has (see `SDAdapter.inject`)."""
    check_peft()
    _check_lora(unet, lora)
    with warnings.catch_warnings():
        # That there are several is meant.
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        unet.load_lora_adapter(dict(lora), prefix=None, adapter_name=name)
    unet.set_adapters(list(unet.peft_config))


def take_lora(unet: Any, name: str) -> None:
    """Take a LoRA out; with the last one the layers are again those of before."""
    unet.delete_adapters(name)
    if not getattr(unet, "peft_config", None):
        unet.unload_lora()


def lora_of(unet: Any, name: str) -> dict[str, Tensor]:
    """The LoRA that a U-Net has under this name."""
    from peft.utils import get_peft_model_state_dict

    return dict(get_peft_model_state_dict(unet, adapter_name=name))


def check_peft() -> None:
    """Make sure that `peft` is there.

    Raises:
        DependencyError: It is not installed.
    """
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise DependencyError(
            "LoRA weights need peft", field="peft", allowed="pip install 'synfer-studio[sd]'"
        )


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
    lora, _ = load_lora(folder / LORA_FILE)
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


def _check_lora(unet: Any, lora: Lora) -> None:
    modules = dict(unet.named_modules())
    for name, tensor in lora.items():
        layer, part, _ = name.rsplit(".", 2)
        module = modules.get(layer)
        place, size = (1, "in_features") if part == "lora_A" else (0, "out_features")
        wanted = getattr(module, size, None)
        if tensor.ndim != 2 or wanted != tensor.shape[place]:
            raise WeightsError(
                f"{layer} takes no {tuple(tensor.shape)} here", field="LoRA", allowed=f"{wanted}"
            )
