"""The two profiles of the default model: the same code at two sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from synfer_core.models.codec import CodecConfig
from synfer_core.models.denoiser import DenoiserConfig
from synfer_core.training.au_adapter import AdapterTraining
from synfer_core.training.codec import CodecTraining
from synfer_core.training.denoiser import DenoiserTraining
from synfer_core.training.joint import JointTraining


@dataclass(frozen=True)
class Profile:
    """Settings of the stages that make pixels.

    Attributes:
        codec, denoiser, joint, adapter: Settings of each stage.
        note: What it takes.
    """

    codec: CodecTraining
    denoiser: DenoiserTraining
    joint: JointTraining
    adapter: AdapterTraining
    note: str


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "mini-128": Profile(
            codec=CodecTraining(CodecConfig()),
            denoiser=DenoiserTraining(DenoiserConfig()),
            joint=JointTraining(batch=96),
            adapter=AdapterTraining(),
            note="128 px; two CPU cores fill it in hours",
        ),
        "mini-256": Profile(
            codec=CodecTraining(CodecConfig(image_size=256), batch=32),
            denoiser=DenoiserTraining(DenoiserConfig(latent_size=16), batch=128),
            joint=JointTraining(batch=256),
            adapter=AdapterTraining(batch=128),
            note="256 px; for one GPU",
        ),
    }
)
