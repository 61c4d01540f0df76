"""One guided step of a Stable Diffusion 1.5-sized U-Net with an AU adapter: seconds and memory.

The weights are random, so the picture is not one; time and memory are those of real weights. The
step goes through the same code as a face does: words and AUs guided, three rows in one call.
"""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch

from synfer_core import denoising, guidance
from synfer_core.conditioning import Conditions
from synfer_core.evaluation.latency import PeerSizes, build_unet, machine, randomised
from synfer_core.facs import AU_SLOTS
from synfer_core.models import memory
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import SCHEDULE, Context
from synfer_core.models.memory import Plan
from synfer_core.models.sd_parts import SDDenoiser

_SCHEDULE = {**SCHEDULE, "rescale_betas_zero_snr": False}
TOKENS = 77
_GIB = 1 << 30


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        seconds: Of each guided step, on the clock.
        processor_seconds: Of each guided step, over all threads: other work on the machine hardly
            counts here.
        weights: Of the U-Net.
        adapter_weights: Of the AU adapter.
        peak_bytes: Most memory that the process held.
        plan: What `memory.choose` takes on this machine with what is free before the start.
    """

    seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...]
    weights: int
    adapter_weights: int
    peak_bytes: int
    plan: Plan

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        step = statistics.median(self.seconds)
        return {
            "step_seconds_median": step,
            "step_seconds": list(self.seconds),
            "step_processor_seconds_median": statistics.median(self.processor_seconds),
            "image_seconds_estimate_20_steps": 20 * step,
            "unet_weights": self.weights,
            "adapter_weights": self.adapter_weights,
            "peak_gib": self.peak_bytes / _GIB,
            "plan": vars(self.plan),
            "machine": machine(),
        }


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures for people."""
    return [
        f"one guided step: {figures['step_seconds_median']:.1f} s (three rows in one call)",
        f"processor time of it: {figures['step_processor_seconds_median']:.1f} s, "
        f"{figures['machine']['threads']} threads, load {figures['machine']['load_1_min']}",
        f"20 steps, estimated: {figures['image_seconds_estimate_20_steps'] / 60:.1f} min",
        f"weights: {figures['unet_weights'] / 1e6:.0f} million in the U-Net, "
        f"{figures['adapter_weights'] / 1e6:.0f} million in the AU adapter",
        f"most memory held: {figures['peak_gib']:.1f} GiB",
        f"plan by the memory rule: {figures['plan']}",
    ]


@torch.no_grad()
def measure(sizes: PeerSizes, *, steps: int) -> Speed:
    """Time guided steps; the first one counts too, so a single step is a fair upper bound.

    Raises:
        CapacityError: The machine has too little memory.
    """
    unet = build_unet(sizes)
    weights = sum(p.numel() for p in unet.parameters())
    free = memory.free_bytes("cpu")
    plan = memory.choose("cpu", free, weights, sizes.latent_size)
    unet = randomised(unet)
    units = AUAdapter.for_unet(unet, sizes.token_width).eval()
    denoiser = SDDenoiser(unet, _SCHEDULE, "epsilon", plan)
    units.inject(unet)
    denoise = guidance.classifier_free(denoiser, _conditions(units, sizes), text=7.5, au=4.0)
    shape = (unet.config.in_channels, sizes.latent_size, sizes.latent_size)
    noise = denoising.initial_noise(0, shape)
    run = denoising.sample(denoise, noise, "ddim", max(steps, 2), schedule=_SCHEDULE)
    seconds, processor = [], []
    for _ in range(steps):
        start, busy = time.perf_counter(), time.process_time()
        next(run)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    extra = sum(p.numel() for p in units.parameters())
    return Speed(tuple(seconds), tuple(processor), weights, extra, peak, plan)


def _conditions(units: AUAdapter, sizes: PeerSizes) -> Conditions:
    """Words and AUs at random: what is said does not change how long it takes."""
    torch.manual_seed(0)
    tokens = torch.randn(1, TOKENS, sizes.token_width)
    au = units(torch.rand(1, len(AU_SLOTS)), torch.ones(1))
    full = Context(tokens, torch.ones(1, TOKENS, dtype=torch.bool), au)
    return Conditions(full, full.without_au(), True, ())
