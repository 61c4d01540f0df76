"""Stage `identity`: reads the identity code off an image, whatever the face does.

The loss is the squared error of the code in units of its deviation, so that each trait counts
alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.facekit.identity import IDENTITY_GROUPS
from synfer_core.models import identity_reader
from synfer_core.models.identity_reader import IdentityReader, IdentityReaderConfig
from synfer_core.training import dataset
from synfer_core.training.augment import Augmentation, augment
from synfer_core.training.dataset import FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule, device_of
from synfer_core.training.reading import refuse_shared_identities


@dataclass(frozen=True)
class IdentityTraining:
    """Settings of the stage.

    Attributes:
        net: Sizes of the reader.
        batch: Images a step.
        augmentation: How images are changed.
    """

    net: IdentityReaderConfig = field(default_factory=IdentityReaderConfig)
    batch: int = 48
    augmentation: Augmentation = field(default_factory=Augmentation)


def train(
    config: IdentityTraining,
    schedule: Schedule,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    limit: int | None = None,
    apart_from: Path | None = None,
) -> IdentityReader:
    """Train an identity reader and write ``identity.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        limit: Use at most this many training images.
        apart_from: The generator's data set; sharing an identity with it is refused.

    Raises:
        DataError: The data set is empty, or shares identities with `apart_from`.
    """
    if apart_from is not None:
        refuse_shared_identities(data, apart_from)
    faces = dataset.load(data, "train", limit=limit)
    held_out = dataset.load(data, "val", limit=800)
    torch.manual_seed(schedule.seed)
    net = IdentityReader(config.net)
    net.fit(torch.from_numpy(faces.codes))
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop(net, schedule, out, resume=resume)

    def losses(generator: torch.Generator) -> Losses:
        rows = dataset.draw(generator, config.batch, len(faces))
        return {"total": identity_loss(net, faces, rows, config, generator)}

    def measure() -> Mapping[str, float]:
        averaged = cast(IdentityReader, loop.averaged.module)
        identity_reader.save(averaged, out / "identity.safetensors")
        return explained(averaged, held_out)

    loop.run(losses, measure)
    return IdentityReader.load(out / "identity.safetensors")


def identity_loss(
    net: IdentityReader,
    faces: FaceSet,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    config: IdentityTraining,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of the codes of some rows, in units of their deviation."""
    images = to_tensor(faces.images[rows], device_of(net))
    images = augment(images, generator, config.augmentation)
    return F.mse_loss(net.normal(images).float(), _normal_codes(net, faces.codes[rows]))


def _normal_codes(net: IdentityReader, codes: NDArray[np.float32]) -> Tensor:
    return (torch.from_numpy(codes).to(net.mean.device) - net.mean) / net.deviation


@torch.no_grad()
def explained(net: IdentityReader, faces: FaceSet) -> dict[str, float]:
    """Share of the variance of each group of the code that the reader explains."""
    parts = (faces.images[rows] for rows in dataset.chunks(len(faces), 64))
    read = torch.cat([net.normal(to_tensor(part, device_of(net))) for part in parts])
    target = _normal_codes(net, faces.codes)
    error = (read - target).square().mean(0)
    return {
        name: float(1 - error[place].mean() / target[:, place].var(0).mean())
        for name, place in IDENTITY_GROUPS.items()
    }
