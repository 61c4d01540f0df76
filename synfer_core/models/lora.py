"""LoRA files as people have them, put into a U-Net and a text encoder as `diffusers` puts them in.

Hu et al. 2021, https://arxiv.org/abs/2106.09685. What a LoRA adds is scaled by its alpha over its
rank, and each program writes the alpha elsewhere: `diffusers` into the file's metadata, kohya's
sd-scripts beside each layer, `peft` into a file of its own. The loaders of `diffusers` make layers
of a file; here the file's layout is told, any other is refused by name, and what the loaders made
is held against the file: every tensor in its place, no layer beside them, each at its own scale.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synfer_core.errors import DependencyError, WeightsError
from synfer_core.models import checkpoints

LORA_FILE = "pytorch_lora_weights.safetensors"
"""Name of a LoRA's file as `diffusers` writes and finds it."""
PEFT_CONFIG = "adapter_config.json"
"""The file beside a LoRA of `peft` that has its alpha."""
TAKEN = "a LoRA of Stable Diffusion 1.x or 2.x as diffusers, peft or kohya's sd-scripts writes it"

Part = Literal["unet", "text_encoder"]
_PEFT = "base_model.model."
_KOHYA = re.compile(r"lora_(unet|te|te1)_\w+\.(lora_(down|up)\.weight|alpha)")
_DIFFUSERS = re.compile(r"(unet|text_encoder)\..+\.weight")
_LAYER = re.compile(r"(.+)\.(lora_[AB])\.weight")
_HALF = re.compile(r".+\.lora_[AB]\.weight")
_ELSE = (
    (("dora_scale", "magnitude_vector"), "is of DoRA, not of LoRA"),
    ((".hada_", ".lokr_", ".oft_", "lora_mid", ".diff"), "is of LyCORIS, beyond LoRA"),
    (("lora_te2_", "text_encoder_2."), "is of a LoRA for Stable Diffusion XL"),
    (("transformer.", "diffusion_model.", "lora_transformer_"), "is of a LoRA for another model"),
    ((".bias",), "is of a LoRA with biases"),
)
"""What other names have in them, and what they are."""


@dataclass(frozen=True)
class Lora:
    """A LoRA as read; what has no alpha is scaled by 1.

    Attributes:
        tensors: By names as `diffusers` has them, from ``unet.`` or ``text_encoder.`` on.
        alphas: Of a file that has one for each layer, as `diffusers` names them.
        metadata: Arguments of `peft`'s ``LoraConfig``, by names from the part on.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    alphas: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_unet(cls, tensors: Mapping[str, Tensor]) -> Lora:
        """Of a U-Net's layers as `peft` names them, such as ``mid_block.to_q.lora_A.weight``."""
        return cls({f"unet.{name}": tensor for name, tensor in tensors.items()})

    def __bool__(self) -> bool:
        return bool(self.tensors)

    @cached_property
    def unet(self) -> dict[str, Tensor]:
        """The U-Net's tensors by its layer and ``.lora_A.weight`` (down) or ``.lora_B.weight``."""
        return _named(checkpoints.below(self.tensors, "unet."), "unet")

    @cached_property
    def text_encoder(self) -> dict[str, Tensor]:
        """The text encoder's, in the same way."""
        return _named(checkpoints.below(self.tensors, "text_encoder."), "text_encoder")

    def scales(self, part: Part) -> dict[str, float]:
        """By layer what its file says: its alpha over its rank; empty where metadata says it."""
        if self.metadata:
            return {}
        tensors = self.unet if part == "unet" else self.text_encoder
        ranks = {name[:-14]: len(down) for name, down in tensors.items() if ".lora_A." in name}
        named = checkpoints.below(self.alphas, f"{part}.")
        alphas = _named({name.removesuffix(".alpha"): a for name, a in named.items()}, part)
        of_layer = {name.removesuffix(".lora_A.weight"): alpha for name, alpha in alphas.items()}
        return {layer: of_layer.get(layer, rank) / rank for layer, rank in ranks.items()}


def read(path: Path) -> tuple[Lora, str]:
    """A LoRA from a file, and the SHA-256 over all that it says.

    Raises:
        WeightsError: The file is missing or damaged, or has another layout.
    """
    names, metadata = _head(path)
    if all(name.startswith(_PEFT) for name in names):
        return _read_peft(path)
    if metadata and all(_HALF.fullmatch(n) and not _DIFFUSERS.fullmatch(n) for n in names):
        lora = _of_one_part(checkpoints.tensors_of(path, TAKEN), metadata)
    else:
        lora = _read_whole(path, names)
    _check_names(lora, path.name)
    return lora, checkpoints.file_sha256(path)


def _head(path: Path) -> tuple[list[str], dict[str, Any]]:
    """The names of a file's tensors, and what `diffusers` wrote about them."""
    from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

    if not path.is_file():
        raise WeightsError("is missing", field=path.name, allowed=TAKEN)
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            told = json.loads((file.metadata() or {}).get(LORA_ADAPTER_METADATA_KEY) or "{}")
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"is damaged: {error}", field=path.name, allowed=TAKEN) from error
    if not names or not isinstance(told, dict):
        raise WeightsError("holds nothing that a LoRA has", field=path.name, allowed=TAKEN)
    return names, told


def _read_whole(path: Path, names: list[str]) -> Lora:
    """A file whose names tell the part, as `diffusers` reads it."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    kohya = any(name.startswith("lora_") for name in names)
    form = _KOHYA if kohya else _DIFFUSERS
    strange = [name for name in names if not form.fullmatch(name) or _other(name)]
    if strange:
        _refuse(strange[0], path.name)
    try:
        state, alphas, metadata = StableDiffusionLoraLoaderMixin.lora_state_dict(
            str(path), return_lora_metadata=True, use_safetensors=True, local_files_only=True
        )
    except (ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(f"cannot be read: {error}", field=path.name, allowed=TAKEN) from error
    floats = {name: tensor.float() for name, tensor in state.items()}
    return Lora(floats, alphas or {}, metadata or {})


def _read_peft(path: Path) -> tuple[Lora, str]:
    """A file of `peft`, whose alpha is in the file beside it."""
    beside = path.with_name(PEFT_CONFIG)
    try:
        config = json.loads(beside.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"has no {PEFT_CONFIG} beside it that can be read, which has its alpha",
            field=path.name,
            allowed=TAKEN,
        ) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise WeightsError("is not about a LoRA", field=PEFT_CONFIG, allowed=TAKEN)
    lora = _of_one_part(checkpoints.below(checkpoints.tensors_of(path, TAKEN), _PEFT), config)
    _check_names(lora, path.name)
    both = checkpoints.file_sha256(path) + checkpoints.file_sha256(beside)
    return lora, sha256(both.encode()).hexdigest()


def _of_one_part(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Lora:
    """Of a U-Net, or else of a text encoder, whose layers are named otherwise."""
    of_text = all(re.match(r"(text_model\.)?encoder\.layers\.", name) for name in tensors)
    part = "text_encoder" if of_text else "unet"
    return Lora(
        {f"{part}.{name}": tensor for name, tensor in tensors.items()},
        metadata={f"{part}.{name}": value for name, value in metadata.items()},
    )


def _check_names(lora: Lora, file: str) -> None:
    for name in lora.tensors:
        if _other(name):
            _refuse(name, file)
    for name in (*lora.unet, *lora.text_encoder):
        if not _HALF.fullmatch(name):
            _refuse(name, file)
    for name, value in lora.metadata.items():
        if name.endswith(("use_dora", "lora_bias")) and value:
            raise WeightsError(f"asks for {name.rsplit('.', 1)[-1]}", field=file, allowed=TAKEN)


def _other(name: str) -> str | None:
    return next((what for marks, what in _ELSE if any(mark in name for mark in marks)), None)


def _refuse(name: str, file: str) -> None:
    why = _other(name) or "is no part of a LoRA that is read here"
    raise WeightsError(f"{name[:200]} {why}", field=file, allowed=TAKEN)


def _named(tensors: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """What has names of any age, by those of `peft` and of today's text encoder."""
    from diffusers.utils import state_dict_utils as spell

    named = dict(tensors)
    if part == "unet":
        named = spell.convert_unet_state_dict_to_peft(named)
    elif any("to_out_lora" in name or "lora_linear_layer" in name for name in named):
        named = spell.convert_state_dict_to_peft(named)
    return {name.removeprefix("text_model."): value for name, value in named.items()}


def save(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a U-Net's LoRA, scaled by 1, as `diffusers` writes it, for any program that reads such.

    Args:
        tensors: By names as in `Lora.unet`.
        path: Where to write; the folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {f"unet.{name}": t.detach().cpu().contiguous() for name, t in tensors.items()}
    save_file(named, path, metadata={"format": "pt"})


def put(lora: Lora, name: str, unet: Any, encoder: Any = None) -> None:
    """Put a LoRA into a U-Net and a text encoder, beside those that they have.

    Args:
        lora: The LoRA.
        name: Under which `peft` keeps it; no two in one model have the same.
        unet: The U-Net.
        encoder: The text encoder; None where there is none to change.

    Raises:
        WeightsError: A layer is not one of theirs or has another shape, or what came of it is not
            what its file says.
        DependencyError: `peft` is not installed.
    """
    check_peft()
    if lora.unet:
        _check_fits(unet, lora.unet)
        _load(lora, "unet", name, unet)
        unet.set_adapters(list(unet.peft_config))
    if lora.text_encoder:
        if encoder is None:
            raise WeightsError(f"changes the text encoder: {next(iter(lora.text_encoder))}",
                               field="LoRA", allowed="layers of a U-Net")  # fmt: skip
        _check_fits(encoder, lora.text_encoder)
        _load(lora, "text_encoder", name, encoder)


def _load(lora: Lora, part: Part, name: str, model: Any) -> None:
    """Let `diffusers` put one part in, and hold what it did against the file."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader

    told = {key: value for key, value in lora.metadata.items() if key.startswith(f"{part}.")}
    options: dict[str, Any] = {"network_alphas": dict(lora.alphas) or None, "adapter_name": name}
    options |= {part: model, "metadata": told or None}
    load = Loader.load_lora_into_unet if part == "unet" else Loader.load_lora_into_text_encoder
    try:
        with _quiet():
            load(dict(lora.tensors), **options)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        why = " ".join(str(error).split())[:300]
        raise WeightsError(f"cannot be put in: {why}", field="LoRA", allowed=TAKEN) from error
    _check_put(lora, part, name, model)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the loaders say of several LoRAs in one model, which is meant, and of what they
    leave out, which is looked for afterwards.
    """
    told = logging.getLogger("diffusers.loaders.peft")
    level = told.level
    told.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            warnings.filterwarnings("ignore", "While injecting the PEFT adapters", RuntimeWarning)
            warnings.filterwarnings("ignore", "The following .*_pattern keys", RuntimeWarning)
            yield
    finally:
        told.setLevel(level)


def take(lora: Lora, name: str, unet: Any, encoder: Any = None) -> None:
    """Take a LoRA out; with the last one the layers are again those of before."""
    if lora.unet:
        unet.delete_adapters(name)
        if not getattr(unet, "peft_config", None):
            unet.unload_lora()
    if lora.text_encoder and encoder is not None:
        from diffusers.loaders.lora_base import _remove_text_encoder_monkey_patch

        encoder.delete_adapter(name)
        if not getattr(encoder, "peft_config", None):
            _remove_text_encoder_monkey_patch(encoder)


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


def _pairs(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """By layer its ``lora_A`` and ``lora_B``.

    Raises:
        WeightsError: A layer has one of them only.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _LAYER.fullmatch(name)
        assert match is not None
        layers.setdefault(match[1], {})[match[2]] = tensor
    for layer, pair in layers.items():
        if len(pair) < 2:
            raise WeightsError(f"{layer} has half a LoRA", field="LoRA", allowed="down and up")
    return layers


def _check_fits(model: Any, tensors: Mapping[str, Tensor]) -> None:
    modules = dict(model.named_modules())
    for layer, pair in _pairs(tensors).items():
        module = modules.get(layer)
        module = getattr(module, "base_layer", module)
        if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            raise WeightsError(f"{layer} is no layer of this model", field="LoRA")
        shape, rank = tuple(module.weight.shape), len(pair["lora_A"])
        wanted = {
            "lora_A": (rank, *shape[1:]),
            "lora_B": (shape[0], rank, *(1,) * len(shape[2:])),
        }
        for part, tensor in pair.items():
            if tuple(tensor.shape) != wanted[part]:
                raise WeightsError(
                    f"{layer} takes no {tuple(tensor.shape)} here",
                    field="LoRA",
                    allowed=str(wanted[part]),
                )


def _check_put(lora: Lora, part: Part, name: str, model: Any) -> None:
    """Make sure that a model has what the file says: no more, no less, and at its scale."""
    pairs = _pairs(lora.unet if part == "unet" else lora.text_encoder)
    made = {n: m for n, m in model.named_modules() if name in getattr(m, "lora_A", {})}
    other = sorted(set(made) ^ set(pairs))
    if other:
        raise WeightsError(f"{other[0]} is in the file or in its metadata only", field="LoRA")
    scales = lora.scales(part)
    for layer, module in made.items():
        for half, tensor in pairs[layer].items():
            held = getattr(module, half)[name].weight.requires_grad_(False)
            if not torch.equal(held.cpu(), tensor.to(held.dtype)):
                raise WeightsError(f"{layer} was not read", field="LoRA", allowed=TAKEN)
        wanted = scales.get(layer, module.scaling[name])
        if abs(module.scaling[name] - wanted) > 1e-6 * abs(wanted):
            raise WeightsError(
                f"{layer} is scaled by {wanted:g} in its file, and diffusers reads "
                f"{module.scaling[name]:g}",
                field="LoRA",
                allowed="one alpha and one rank for all layers",
            )
