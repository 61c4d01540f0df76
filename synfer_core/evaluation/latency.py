"""Latency: seconds from a recipe to its image and to the full report, beside a known peer.

The peer is a Stable Diffusion 1.5-sized U-Net and decoder (Rombach et al. 2022,
https://arxiv.org/abs/2112.10752) with random weights on this machine in the same run: its image is
two U-Net calls a step, as classifier-free guidance needs, and one decode.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from synfer_core.facs import PROTOTYPES
from synfer_core.models.backbone import strengths
from synfer_core.reference import guidance, sampling
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.report import Pixels
from synfer_core.request import USUAL_VARIATION, Guidance, Recipe
from synfer_core.synthesizer import Synthesizer

RECIPE = Recipe(
    text="a young woman with brown hair",
    aus=dict(PROTOTYPES["happiness"]),
    expression="happiness",
    identity_seed=7,
    guidance=Guidance(text=1.5, au=1.5),
)
"""What is timed: words, AUs and a person, 20 steps, guidance on both, at the usual size."""

_OTHER_SCENES = 1_000_000
NEXT = {"aus": dict(PROTOTYPES["surprise"]), "expression": "surprise"}
"""What the same person shows next, for which nothing of the person has to be worked out again."""


@dataclass(frozen=True)
class PeerSizes:
    """Sizes of the peer; the defaults are Stable Diffusion 1.5's, 860 million weights in the U-Net.

    Attributes:
        widths: Channels of the U-Net's levels.
        heads: Attention heads of the U-Net.
        token_width: Width of text tokens.
        decoder_widths: Channels of the decoder's levels.
        latent_size: Latents on a side.
    """

    widths: tuple[int, int, int, int] = (320, 640, 1280, 1280)
    heads: int = 8
    token_width: int = 768
    decoder_widths: tuple[int, ...] = (128, 256, 512, 512)
    latent_size: int = 64


@dataclass(frozen=True)
class Peer:
    """Times of the peer in seconds."""

    unet_call: float
    decode: float

    def image(self, steps: int) -> float:
        """Seconds for one image with guidance."""
        return 2 * steps * self.unet_call + self.decode


@dataclass(frozen=True)
class Latency:
    """Times in seconds.

    Attributes:
        image: From recipe to image of a person and scene that was shown before, each run.
        new: The same of a person and scene that are new.
        report: From recipe to full report, each run, of what was shown before.
        stages: Median seconds of each stage, in order.
        steps: Denoising steps.
        peer: The peer's times, if it was asked for.
    """

    image: tuple[float, ...]
    new: tuple[float, ...]
    report: tuple[float, ...]
    stages: Mapping[str, float]
    steps: int
    peer: Peer | None

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        total = sum(self.stages.values())
        return {
            "image_seconds_median": statistics.median(self.image),
            "new_image_seconds_median": statistics.median(self.new),
            "report_seconds_median": statistics.median(self.report),
            "peer_image_seconds": self.peer.image(self.steps) if self.peer else None,
            "stages": {
                name: {"seconds": seconds, "share": seconds / total}
                for name, seconds in self.stages.items()
            },
            "steps": self.steps,
            "runs": len(self.image),
            "image_seconds": list(self.image),
            "new_image_seconds": list(self.new),
            "report_seconds": list(self.report),
            "peer": vars(self.peer) if self.peer else None,
            "machine": machine(),
        }


def machine() -> dict[str, Any]:
    """Where the times were taken; a high load says that something else ran too."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
    }


def measure(synthesizer: Synthesizer, *, runs: int, peer: PeerSizes | None) -> Latency:
    """Time the built-in model, after one run that does not count.

    Args:
        synthesizer: The model under test.
        runs: How many images.
        peer: Sizes of the peer; None leaves it out.
    """
    synthesizer.generate(RECIPE)
    image, new, report, stages = [], [], [], []
    for seed in range(1, runs + 1):
        recipe = RECIPE.model_copy(update={"seed": seed})
        new.append(synthesizer.generate(recipe).seconds["generation"])
        watch = Stopwatch()
        with watch("report"):
            result = synthesizer.generate(recipe.model_copy(update=NEXT))
        image.append(result.seconds["generation"])
        report.append(watch.seconds["report"])
        stages.append(stage_seconds(synthesizer, recipe.model_copy(update=NEXT)))
    medians = {name: statistics.median(s[name] for s in stages) for name in stages[0]}
    times = measure_peer(peer) if peer else None
    return Latency(tuple(image), tuple(new), tuple(report), medians, RECIPE.steps, times)


class Stopwatch:
    """Seconds by name: ``with watch("decoding"): ...``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def stage_seconds(synthesizer: Synthesizer, recipe: Recipe) -> dict[str, float]:
    """Seconds of each stage of one image, taken apart; previews and maps are left out."""
    model, annotator, watch = synthesizer.backbones["builtin"], synthesizer.annotator, Stopwatch()
    assert isinstance(model, ReferenceBackbone)
    image = _image(model, recipe, watch)
    if annotator.feranno:
        with watch("feranno"):
            annotator.feranno.read(image)
    if annotator.au_reader:
        with watch("au_reader"):
            annotator.au_reader.read(image)
    return watch.seconds


def _image(model: ReferenceBackbone, recipe: Recipe, watch: Stopwatch) -> Pixels:
    """An image around a reference that nobody has asked for before."""
    latents, (text, au) = model.model.prior.latents, strengths(recipe, model.capabilities)
    with watch("reference"):
        canvas = model.canvas(recipe.model_copy(update={"seed": recipe.seed + _OTHER_SCENES}))
    with watch("conditioning"):
        branches = model.branches(recipe, canvas.small)
    denoise = guidance.classifier_free(model.model.denoiser, branches, text=text, au=au)
    start = sampling.noise(1, latents.shape, recipe.seed, USUAL_VARIATION)
    with watch("denoising"):
        found = sampling.sampled(denoise, start, recipe.steps, recipe.scheduler)
    with watch("decoding"):
        image, _ = canvas.finished(latents, found)
    return image


@torch.no_grad()
def measure_peer(sizes: PeerSizes) -> Peer:
    """Time one U-Net call and one decode, each the second time; the first warms up."""
    latents = torch.randn(1, 4, sizes.latent_size, sizes.latent_size)
    tokens = torch.randn(1, 77, sizes.token_width)
    call = _second(randomised(build_unet(sizes)), latents, torch.tensor([500]), tokens)
    return Peer(call, _second(randomised(build_autoencoder(sizes)).decode, latents))


def _second(net: Callable[..., Any], *inputs: Tensor) -> float:
    watch = Stopwatch()
    for _ in range(2):
        with watch("call"):
            net(*inputs, return_dict=False)
    return watch.seconds["call"]


def build_unet(sizes: PeerSizes) -> Any:
    """The peer's U-Net, without memory for its weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=sizes.latent_size,
            block_out_channels=sizes.widths,
            attention_head_dim=sizes.heads,
            cross_attention_dim=sizes.token_width,
        )


def build_autoencoder(sizes: PeerSizes) -> Any:
    """The peer's autoencoder, without memory for its weights."""
    levels = len(sizes.decoder_widths)
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=sizes.decoder_widths,
            layers_per_block=2,
            latent_channels=4,
        )


def randomised(net: Any) -> Any:
    """Real memory with small numbers: what was there before could be slow to compute with."""
    real: nn.Module = net.to_empty(device="cpu")
    for parameter in real.parameters():
        nn.init.normal_(parameter, std=0.02)
    return real.eval()
