"""How a Stable Diffusion class model is fitted into memory: a rule, stated once.

A plan names number format, slicing of attention, tiling of the autoencoder and offloading of the
parts that are not at work. `plans` lists them from the fastest to the smallest, and `choose` takes
the first whose need, as `Plan.need` estimates it, is at most the memory that is free.

Need in bytes, for W weights of which the U-Net has `_UNET`, s latents on a side and R rows in one
call (three with words and AUs guided):

    weights    = W * width, or with offloading the U-Net's alone
    attention  = R * s^4 * heads * width, or with slicing R * s^4 * width
    autoencoder = 12 KiB * (8 s)^2 * width / 4, or with tiling a third of it
    need       = weights + max(attention, autoencoder) + 0.5 GiB
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from synfer_core.errors import CapacityError

Format = Literal["float32", "float16", "bfloat16"]

_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}
_UNET = 0.81
"""Share of the weights that are the U-Net's: 860 of 1,066 million in Stable Diffusion 1.5."""
_HEADS = 8
_ROWS = 3
_GIB = 1 << 30


@dataclass(frozen=True)
class Plan:
    """How the model is held and run.

    Attributes:
        format: Of weights and activations; latents and guidance stay in float32.
        slice_attention: One head of self-attention after another.
        tile_decoder: The autoencoder works on overlapping tiles; seams can be seen in flat areas.
        offload: Text encoder and autoencoder are on the device only while they work.
    """

    format: Format
    slice_attention: bool = False
    tile_decoder: bool = False
    offload: bool = False

    def need(self, weights: int, latent_size: int) -> int:
        """Estimated bytes for `weights` weights and latents of this many places on a side."""
        width = _WIDTH[self.format]
        held = weights * width * (_UNET if self.offload else 1.0)
        heads = 1 if self.slice_attention else _HEADS
        attention = _ROWS * latent_size**4 * heads * width
        decoder = 12 * 1024 * (8 * latent_size) ** 2 * width / 4 / (3 if self.tile_decoder else 1)
        return int(held + max(attention, decoder) + _GIB / 2)


def plans(device: str) -> Iterator[Plan]:
    """Plans for ``cpu``, ``cuda`` or ``mps``, the fastest first.

    On a CPU, float32 is faster than half precision and offloading has nowhere to go; on a GPU
    float16 is faster than float32, and offloading costs most.
    """
    if device == "cpu":
        yield Plan("float32")
        yield Plan("float32", slice_attention=True)
        yield Plan("float32", slice_attention=True, tile_decoder=True)
        yield Plan("bfloat16", slice_attention=True, tile_decoder=True)
        return
    yield Plan("float16")
    yield Plan("float16", slice_attention=True)
    yield Plan("float16", slice_attention=True, tile_decoder=True)
    yield Plan("float16", slice_attention=True, tile_decoder=True, offload=True)


def choose(device: str, free: int, weights: int, latent_size: int) -> Plan:
    """The first of `plans` that fits.

    Args:
        device: ``cpu``, ``cuda`` or ``mps``.
        free: Bytes of memory that are free on it.
        weights: How many weights the model has.
        latent_size: Latents on a side.

    Raises:
        CapacityError: Not even the smallest fits.
    """
    least = 0
    for plan in plans(device):
        least = plan.need(weights, latent_size)
        if least <= free:
            return plan
    raise CapacityError(
        f"the model needs about {least / _GIB:.1f} GiB, and {free / _GIB:.1f} GiB are free",
        field="backbone",
        allowed="a smaller model, or a machine with more memory",
    )


def free_bytes(device: str) -> int:
    """Bytes that are free on a device; on a CPU what Linux calls available.

    Raises:
        CapacityError: This system does not say.
    """
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            table = dict(line.split(":", 1) for line in file)
    except OSError as error:
        raise CapacityError("free memory cannot be read here", field="backbone") from error
    return int(table["MemAvailable"].split()[0]) * 1024
