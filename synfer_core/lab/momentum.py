"""A slow copy of a network that follows it, as BYOL and MoCo have for their targets."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def slow_copy(net: N) -> N:
    """A copy that takes no gradients."""
    return copy.deepcopy(net).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, net: nn.Module, keep: float) -> None:
    """Move the copy towards the network: ``slow = keep * slow + (1 - keep) * net``."""
    for target, source in zip(slow.parameters(), net.parameters(), strict=True):
        target.lerp_(source, 1 - keep)
    for kept, given in zip(slow.buffers(), net.buffers(), strict=True):
        kept.copy_(given)


def keep_at(share: float, start: float) -> float:
    """How much of itself the copy keeps, from `start` to 1 with the cosine (BYOL, section 3)."""
    return 1 - (1 - start) * (math.cos(math.pi * share) + 1) / 2
