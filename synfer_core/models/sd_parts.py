"""The parts of a Stable Diffusion class model: text encoder, U-Net, autoencoder, noise schedule.

Rombach et al. 2022, https://arxiv.org/abs/2112.10752. Read from a folder as `diffusers` lays it out
(``model_index.json`` and a folder for each part); only safetensors are read. Two departures from
its own pipeline, so that samplers, guidance and inversion here serve all backbones: whatever the
U-Net predicts is handed on as v, and timesteps are spaced from the end of the schedule (Lin et al.
2024, https://arxiv.org/abs/2305.08891, table 2).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from synfer_core.errors import WeightsError
from synfer_core.models import checkpoints
from synfer_core.models.attention import CrossAttention, Recorder, SelfAttention
from synfer_core.models.denoiser import TRAIN_STEPS, Context, NoiseSchedule, ddim
from synfer_core.models.memory import Plan
from synfer_core.models.text import TextStates, check_lengths, words_of

Prediction = Literal["epsilon", "v_prediction"]
FOLDERS = ("text_encoder", "tokenizer", "unet", "vae", "scheduler")
WEIGHED = ("text_encoder", "unet", "vae")
_BETAS = ("beta_schedule", "beta_start", "beta_end", "num_train_timesteps")


@dataclass(frozen=True)
class Sizes:
    """Sizes of images and latents.

    Attributes:
        image_size: Pixels on a side.
        latent_size: Latents on a side.
        latent_channels: Channels of the latents.
    """

    image_size: int
    latent_size: int
    latent_channels: int


@contextmanager
def at_work(module: Any, device: torch.device, *, offload: bool) -> Iterator[None]:
    """While it works, an offloaded module is on its device; else it waits on the CPU."""
    if offload:
        module.to(device)
    try:
        yield
    finally:
        if offload:
            module.to("cpu")


class SDText:
    """The frozen CLIP text encoder; every token counts, padding included, as in its training.

    One call at a time: tokenizers keep how they cut and pad, modules go to their device and back.
    """

    def __init__(self, tokenizer: Any, encoder: Any, device: torch.device, *, offload: bool):
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.device = device
        self.offload = offload
        self._one = threading.Lock()

    @torch.no_grad()
    def __call__(
        self, texts: list[str], *, cut: bool = False, fields: Sequence[str] = ()
    ) -> TextStates:
        """Token states (B, 77, width) of the texts, on the CPU.

        Args:
            texts: What to encode.
            cut: Cut texts that are too long, as training does with its captions.
            fields: The recipe field that each text comes from, for errors; by default ``text``.

        Raises:
            RequestError: A text has too many tokens and `cut` is off.
        """
        with self._one:
            return self._states(texts, cut, fields)

    def check(self, texts: list[str], fields: Sequence[str] = ()) -> None:
        """Refuse texts that `__call__` would refuse, without encoding any.

        Raises:
            RequestError: A text has too many tokens.
        """
        longest = self.tokenizer.model_max_length
        with self._one:
            batch = self.tokenizer(texts, padding="max_length", max_length=longest)
        check_lengths(batch["input_ids"], longest, fields)

    def _states(self, texts: list[str], cut: bool, fields: Sequence[str]) -> TextStates:
        longest = self.tokenizer.model_max_length
        batch = self.tokenizer(texts, padding="max_length", max_length=longest, truncation=cut)
        check_lengths(batch["input_ids"], longest, fields)
        ids = torch.tensor(batch["input_ids"], device=self.device)
        with at_work(self.encoder, self.device, offload=self.offload):
            states = self.encoder(ids, return_dict=False)[0].float().cpu()
        words = tuple(words_of(batch, i, text) for i, text in enumerate(texts))
        return TextStates(states, torch.ones(states.shape[:2], dtype=torch.bool), words)


class SDCodec:
    """The autoencoder as a codec: images to latents of about unit variance, and back.

    One call at a time, as it goes to its device and back.
    """

    def __init__(self, vae: Any, sizes: Sizes, device: torch.device, *, offload: bool):
        self.vae = vae
        self.config = sizes
        self.device = device
        self.offload = offload
        self._one = threading.Lock()

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in -1 to 1 as latents (B, C, s, s), the mean of their distribution."""
        with self._one, at_work(self.vae, self.device, offload=self.offload):
            pixels = images.to(self.device, self.vae.dtype)
            mean = self.vae.encode(pixels, return_dict=False)[0].mode()
        latents: Tensor = mean.to(images) * self.vae.config.scaling_factor
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as images (B, 3, S, S); gradients flow back unless it is offloaded."""
        scaled = latents / self.vae.config.scaling_factor
        with self._one, at_work(self.vae, self.device, offload=self.offload):
            pixels = self.vae.decode(scaled.to(self.device, self.vae.dtype), return_dict=False)[0]
        images: Tensor = pixels.to(latents)
        return images


class SDDenoiser:
    """The U-Net, which predicts noise or v, as a denoiser that predicts v.

    One call at a time: what a recorder hears of its layers is of that call alone.
    """

    def __init__(self, unet: Any, schedule: NoiseSchedule, prediction: Prediction, plan: Plan):
        self.unet = unet
        self.schedule = schedule
        self.prediction = prediction
        self.alphas = ddim(schedule).alphas_cumprod
        self._one = threading.Lock()
        unet.set_attn_processor(processors(unet, sliced=plan.slice_attention))

    def __call__(
        self, latents: Tensor, timesteps: Tensor, context: Context, recorder: Recorder | None = None
    ) -> Tensor:
        """Predicted v (B, C, s, s) of noisy latents at timesteps (B,) in 0-999."""
        unet, place = self.unet, (self.unet.device, self.unet.dtype)
        au, image = context.au, context.image
        adapters = {
            "au": None if au is None else au.to(*place),
            "image": None if image is None else image.to(*place),
        }
        with self._one, nullcontext() if recorder is None else recorder.watching(unet):
            output: Tensor = unet(
                latents.to(*place),
                timesteps.to(unet.device),
                context.tokens.to(*place),
                cross_attention_kwargs={**adapters, "recorder": recorder},
                return_dict=False,
            )[0].to(latents)
        if self.prediction == "v_prediction":
            return output
        return velocity(latents, output, self.alphas.to(latents)[timesteps.to(latents.device)])


def velocity(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """The v that predicted noise implies at cumulative alphas (B,) above 0.

    With x = sqrt(a) x0 + sqrt(1 - a) e, v = sqrt(a) e - sqrt(1 - a) x0 = (e - sqrt(1 - a) x) /
    sqrt(a) (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512).
    """
    a = alpha[:, None, None, None]
    return (noise - (1 - a).sqrt() * latents) / a.sqrt()


def processors(unet: Any, *, sliced: bool) -> dict[str, Any]:
    """Processors for every attention layer that take AUs and a recorder along."""
    return {
        name: CrossAttention() if name.endswith("attn2.processor") else SelfAttention(sliced=sliced)
        for name in unet.attn_processors
    }


@dataclass(frozen=True)
class Parts:
    """A model as read.

    Attributes:
        text: Text encoder.
        codec: Autoencoder.
        denoiser: U-Net with its schedule.
        sha256: Hash over all files that decide what comes out.
    """

    text: SDText
    codec: SDCodec
    denoiser: SDDenoiser
    sha256: str


def count_weights(folder: Path, parts: Sequence[str] = WEIGHED) -> int:
    """How many weights a model's parts have; only the files' heads are read.

    Raises:
        WeightsError: A file is damaged, or a part has none.
    """
    total = 0
    for part in parts:
        files = sorted((folder / part).glob("*.safetensors"))
        if not files:
            raise WeightsError("has no safetensors", field=f"{folder.name}/{part}")
        # Beside the usual file there may be the same in half precision.
        counts = {file.name: _count(file) for file in files}
        whole = {n: c for n, c in counts.items() if ".fp16" not in n and ".non_ema" not in n}
        total += sum((whole or counts).values())
    return total


def _count(file: Path) -> int:
    try:
        with safe_open(file, framework="pt") as opened:
            shapes = [opened.get_slice(name).get_shape() for name in opened.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weight file is damaged: {error}", field=file.name) from error
    return sum(int(torch.Size(shape).numel()) for shape in shapes)


def sizes_of(folder: Path) -> Sizes:
    """Sizes of images and latents, by the configs of a model's parts.

    Raises:
        WeightsError: It is no Stable Diffusion class model.
    """
    index = _json(folder, "model_index.json")
    kind = index.get("_class_name")
    if kind != "StableDiffusionPipeline":
        raise WeightsError(
            f"holds {kind!r}", field=folder.name, allowed="StableDiffusionPipeline (1.x and 2.x)"
        )
    unet, vae = _json(folder, "unet/config.json"), _json(folder, "vae/config.json")
    if not {"sample_size", "in_channels"} <= set(unet) or unet["in_channels"] != unet.get(
        "out_channels", unet["in_channels"]
    ):
        raise WeightsError("is no text-to-image U-Net", field=f"{folder.name}/unet")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    side = unet["sample_size"]
    return Sizes(side * factor, side, unet["in_channels"])


def read(folder: Path, plan: Plan, device: torch.device) -> Parts:
    """Read a model's parts and put them where they work.

    Raises:
        WeightsError: A part is missing or damaged, lacks weights or has others, or its schedule is
            not understood.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import AutoTokenizer, CLIPTextModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    sizes = sizes_of(folder)
    schedule, prediction = read_schedule(_json(folder, "scheduler/scheduler_config.json"))
    dtype = getattr(torch, plan.format)
    unet = checkpoints.pretrained(UNet2DConditionModel, folder / "unet", torch_dtype=dtype)
    vae = checkpoints.pretrained(AutoencoderKL, folder / "vae", torch_dtype=dtype)
    encoder = checkpoints.pretrained(CLIPTextModel, folder / "text_encoder", dtype=dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"cannot be read: {error}", field=folder.name) from error
    if plan.tile_decoder:
        vae.enable_tiling()
    resting = torch.device("cpu") if plan.offload else device
    for part, place in ((unet, device), (vae, resting), (encoder, resting)):
        part.to(place)
    return Parts(
        SDText(tokenizer, encoder, device, offload=plan.offload),
        SDCodec(vae, sizes, device, offload=plan.offload),
        SDDenoiser(unet, schedule, prediction, plan),
        folder_sha256(folder),
    )


def read_schedule(config: dict[str, Any]) -> tuple[NoiseSchedule, Prediction]:
    """Betas of a stored scheduler, and what its U-Net predicts.

    Raises:
        WeightsError: It predicts something else, or noise where there is nothing but noise.
    """
    prediction = config.get("prediction_type", "epsilon")
    rescaled = bool(config.get("rescale_betas_zero_snr", False))
    if prediction not in ("epsilon", "v_prediction") or (rescaled and prediction == "epsilon"):
        raise WeightsError(
            f"predicts {prediction!r}{' from pure noise' if rescaled else ''}",
            field="scheduler_config.json",
            allowed="epsilon or v_prediction",
        )
    missing = [name for name in _BETAS if name not in config]
    if missing or config["num_train_timesteps"] != TRAIN_STEPS:
        raise WeightsError(
            f"lacks {missing[0]}" if missing else "counts other steps",
            field="scheduler_config.json",
            allowed=f"{', '.join(_BETAS)}; {TRAIN_STEPS} training steps",
        )
    schedule: dict[str, Any] = {name: config[name] for name in _BETAS}
    schedule |= {"prediction_type": "v_prediction", "timestep_spacing": "trailing"}
    return schedule | {"rescale_betas_zero_snr": rescaled}, prediction


def folder_sha256(folder: Path, parts: Sequence[str] = FOLDERS) -> str:
    """Hash over the files of a model's parts that decide what it makes."""
    digest = hashlib.sha256()
    for part in parts:
        for file in sorted((folder / part).rglob("*")):
            if file.suffix in (".json", ".txt", ".safetensors"):
                digest.update(f"{part}/{file.name}:{checkpoints.file_sha256(file)}".encode())
    return digest.hexdigest()


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"cannot be read: {error}", field=f"{folder.name}/{name}", allowed="a diffusers folder"
        ) from error
    return dict(found)
