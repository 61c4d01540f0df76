"""Stage 1: the codec. Its bases are fitted first, in closed form, then its decoder is trained.

The decoder learns with L1 and an edge loss, heavier on the face; latents get a little noise, which
makes it forgiving of what the denoiser gets wrong. Started from earlier weights, the bases stay
what they were, and so do the latents that a denoiser has learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from synfer_core.decoding import to_images, to_tensor
from synfer_core.models import codec as codecs
from synfer_core.models.codec import Codec, CodecConfig
from synfer_core.training import dataset
from synfer_core.training.dataset import FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule, device_of


@dataclass(frozen=True)
class CodecTraining:
    """Settings of the stage.

    Attributes:
        codec: Sizes of the network.
        batch: Images a step.
        edge: Weight of the edge loss.
        noise: Largest standard deviation of the noise on latents; each image draws its own.
        basis_images: Images that the bases are fitted on.
    """

    codec: CodecConfig
    batch: int = 16
    edge: float = 0.5
    noise: float = 0.4
    basis_images: int = 8000


def fresh(config: CodecTraining, faces: FaceSet) -> Codec:
    """A codec whose bases are fitted and whose decoder is untrained."""
    codec = Codec(config.codec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec.linear.fit(to_tensor(faces.images[: config.basis_images]))
    return cast(Codec, codec)


def face_weights(size: int) -> Tensor:
    """(1, 1, size, size): 1 at the rim, 3 over eyes, nose and mouth, mean 1."""
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    weights = 1 + 2 * torch.exp(-(((x / 0.5) ** 2 + ((y - 0.08) / 0.55) ** 2) ** 2))
    return (weights / weights.mean())[None, None]


def edge_loss(output: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted L1 between the differences of neighbouring pixels, across and down."""
    loss = output.new_zeros(())
    for dim in (-1, -2):
        difference = output.diff(dim=dim) - target.diff(dim=dim)
        loss = loss + (difference.abs() * weights.narrow(dim, 1, difference.shape[dim])).mean()
    return loss


def psnr(codec: Codec, faces: FaceSet, count: int = 256) -> float:
    """Mean PSNR in dB over the first `count` images, on 0-255 pixels."""
    values = []
    for rows in dataset.chunks(min(count, len(faces)), 32):
        images = to_tensor(faces.images[rows], device_of(codec))
        output = to_images(codec.decode(codec.encode(images)))
        error = (output.astype(np.float32) - faces.images[rows]) ** 2
        values.append(10 * np.log10(255**2 / error.mean(axis=(1, 2, 3))))
    return float(np.concatenate(values).mean())


def train(
    config: CodecTraining,
    schedule: Schedule,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    limit: int | None = None,
) -> Codec:
    """Train a codec and write ``codec.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        start: Weights to start from.
        limit: Use at most this many training images.

    Raises:
        DataError: The data set is empty.
        WeightsError: `start` does not fit.
    """
    faces = dataset.load(data, "train", limit=limit)
    held_out = dataset.load(data, "val", limit=256)
    torch.manual_seed(schedule.seed)
    codec = codecs.load(start)[0].train() if start else fresh(config, faces)
    loop = Loop(codec, schedule, out, resume=resume)
    weights = face_weights(config.codec.image_size).to(schedule.device)

    def losses(generator: torch.Generator) -> Losses:
        rows = dataset.draw(generator, config.batch, len(faces))
        images = to_tensor(faces.images[rows], schedule.device)
        return reconstruction(codec, images, weights, config)

    def measure() -> Mapping[str, float]:
        averaged = cast(Codec, loop.averaged.module)
        codecs.save(averaged, out / "codec.safetensors")
        return {"psnr": psnr(averaged, held_out)}

    loop.run(losses, measure)
    return codecs.load(out / "codec.safetensors")[0]


def reconstruction(codec: Codec, images: Tensor, weights: Tensor, config: CodecTraining) -> Losses:
    """The stage's losses on a batch (B, 3, S, S)."""
    latents = codec.encode(images)
    amount = config.noise * torch.rand(len(latents), 1, 1, 1, device=latents.device)
    output = codec.decode(latents + amount * torch.randn_like(latents))
    pixel = ((output - images).abs() * weights).mean()
    edge = edge_loss(output, images, weights)
    return {"total": pixel + config.edge * edge, "pixel": pixel, "edge": edge}
