"""What is known before any network: a Gaussian around a guess, and what is left to predict.

The argument of EDM (Karras et al. 2022, https://arxiv.org/abs/2206.00364) in terms of v (Salimans
and Ho 2022, https://arxiv.org/abs/2202.00512). If latents z were Gaussian around a mean m with
deviation s, then of noisy latents x = alpha z + sigma e the best guess of v = alpha e - sigma z is

    v0 = sigma alpha (1 - s^2) (x - alpha m) / D - sigma m,    D = sigma^2 + s^2 alpha^2

and its error has the deviation s / sqrt(D). The network sees (x - alpha m) / sqrt(D) and predicts f
in v = v0 + s / sqrt(D) f: both have unit variance at every noise level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Guess:
    """A Gaussian over latents.

    Attributes:
        mean: (B, 2, places, n).
        deviation: Of the latents around it, (places, n) or (B, 1, places, n); above 0.
    """

    mean: Tensor
    deviation: Tensor


def _spread(guess: Guess, alpha: Tensor, sigma: Tensor) -> Tensor:
    return sigma.square() + (guess.deviation * alpha).square()


def whitened(guess: Guess, noisy: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What the network sees of noisy latents; alpha and sigma are (B, 1, 1, 1)."""
    return (noisy - alpha * guess.mean) / _spread(guess, alpha, sigma).sqrt()


def velocity(guess: Guess, noisy: Tensor, alpha: Tensor, sigma: Tensor, left: Tensor) -> Tensor:
    """v of noisy latents, of the network's prediction `left` of what is left over."""
    spread = _spread(guess, alpha, sigma)
    return _known(guess, noisy, alpha, sigma, spread) + guess.deviation / spread.sqrt() * left


def left_over(guess: Guess, noisy: Tensor, alpha: Tensor, sigma: Tensor, v: Tensor) -> Tensor:
    """What the network is to predict where v is known: the inverse of `velocity`."""
    spread = _spread(guess, alpha, sigma)
    return (v - _known(guess, noisy, alpha, sigma, spread)) * spread.sqrt() / guess.deviation


def _known(guess: Guess, noisy: Tensor, alpha: Tensor, sigma: Tensor, spread: Tensor) -> Tensor:
    around = noisy - alpha * guess.mean
    gain = sigma * alpha * (1 - guess.deviation.square()) / spread
    return gain * around - sigma * guess.mean


def noise_level(alpha: Tensor, sigma: Tensor) -> Tensor:
    """log(sigma / alpha) of noise levels (B,), within -4 to 7."""
    return torch.log(sigma.clamp_min(1e-4) / alpha.clamp_min(1e-4)).clamp(-4, 7)
