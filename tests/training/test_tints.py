from __future__ import annotations

import pytest
import torch

from synfer_core.training.tints import Tints
from tests.reference import tiny


def _pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    reference, target = (torch.randn(2, 3, 128, 128, generator=generator) for _ in range(2))
    return reference * 0.3, target * 0.3, torch.randn(2, 2, 128, 128, generator=generator)


@pytest.mark.parametrize("gain", [1.0, 0.7, 1.3])
def test_a_common_gain_is_that_of_the_pictures(gain: float) -> None:
    latents = tiny.latents()
    tints = Tints.of(latents)
    reference, target, flow = _pair()
    brighter = [gain * (picture + 1) - 1 for picture in (reference, target)]
    gains = torch.full((2, 3), gain)
    torch.testing.assert_close(
        tints.codes(gains, latents.look(reference)),
        latents.look(brighter[0]),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(
        tints.latents(gains, latents.encode(reference, target, flow)),
        latents.encode(*brighter, flow),
        atol=1e-4,
        rtol=0,
    )


def test_the_gain_of_a_channel_scales_what_that_channel_holds() -> None:
    latents = tiny.latents()
    by_channel = latents.appearance.components.unflatten(1, (3, -1))
    for channel in range(3):
        by_channel[:, channel, :, [n for n in range(6) if n % 3 != channel]] = 0
    latents.appearance.components.copy_(torch.linalg.qr(by_channel.flatten(1, 2)).Q)
    painted = torch.randn(2, *latents.shape, generator=torch.Generator().manual_seed(2))
    redder = Tints.of(latents).latents(torch.tensor([[1.5, 1.0, 1.0]] * 2), painted)
    scales = torch.tensor([1.0] * 4 + [1.5, 1.0, 1.0] * 2)
    torch.testing.assert_close(redder, painted * scales)


def test_gains_are_drawn_around_one() -> None:
    gains = Tints.of(tiny.latents()).draw(2000, torch.Generator().manual_seed(3))
    assert float(gains.log().mean().abs()) < 0.02
    assert 0.1 < float(gains.log().std()) < 0.25
