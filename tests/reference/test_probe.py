from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synfer_core.models.text import shared_encoder
from synfer_core.reference import probe
from synfer_core.reference.model import ReferenceModel
from synfer_core.reference.places import on_grid
from synfer_core.reference.probe import ReferenceProbe
from tests.reference import tiny

WIDTH, LATENTS = 8, tiny.CONFIG.numbers


def model() -> ReferenceModel:
    denoiser, adapter = tiny.pair()
    adapter.inject(denoiser)
    return ReferenceModel(tiny.prior(), denoiser, adapter, "0" * 64)


@pytest.fixture(scope="module")
def looking() -> ReferenceProbe:
    return ReferenceProbe.build(model(), shared_encoder())


def pictures() -> Tensor:
    return torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_features_lie_at_the_places_that_are_coded(looking: ReferenceProbe) -> None:
    (features,) = looking.look(pictures(), 1, (0,)).values()
    channels = LATENTS + 2 * WIDTH
    assert features.shape == (3, channels + 8, 8, 8)
    assert looking.placed(1) == channels
    coded = torch.zeros(8, 8, dtype=torch.bool)
    for place in tiny.CONFIG.places:
        row, column = divmod(place, 4)
        coded[row, column] = coded[row, 7 - column] = True
    assert (features.abs().sum((0, 1)) > 0).equal(coded)


def test_a_picture_is_read_alike_in_any_batch(looking: ReferenceProbe) -> None:
    (together,), (alone,) = (
        looking.look(p, 1, (0,)).values() for p in (pictures(), pictures()[2:])
    )
    torch.testing.assert_close(together[2:], alone, atol=1e-4, rtol=1e-4)


def test_a_mirrored_picture_has_mirrored_features(looking: ReferenceProbe) -> None:
    (there,), (back,) = (
        looking.look(p, 1, (0,)).values() for p in (pictures(), pictures().flip(-1))
    )
    torch.testing.assert_close(there.flip(-1), back, atol=1e-4, rtol=1e-4)


def test_steps_that_are_read_lie_behind_each_other(looking: ReferenceProbe) -> None:
    last = looking.placed(1)
    (first,) = looking.look(pictures(), 2, (0,)).values()
    (both,) = looking.look(pictures(), 2, (0, 1)).values()
    torch.testing.assert_close(both[:, :last], first[:, :last])
    assert both.shape[1] == 2 * first.shape[1]
    torch.testing.assert_close(both[:, 2 * last : 2 * last + 8], first[:, last:])


def test_the_change_is_what_the_denoiser_predicts(looking: ReferenceProbe) -> None:
    ours = looking.model
    context = looking._context(pictures())
    latents = torch.zeros(3, *ours.prior.latents.shape)
    with torch.no_grad():
        velocity = ours.denoiser(latents, torch.full((3,), 999), context)
    (features,) = looking.look(pictures(), 1, (0,)).values()
    change = (-velocity / ours.denoiser.scale).permute(0, 3, 1, 2)
    expected = on_grid(tiny.CONFIG.grid, tiny.CONFIG.places, change)
    torch.testing.assert_close(features[:, :LATENTS], expected, atol=1e-4, rtol=1e-4)


def test_words_get_one_on_average(looking: ReferenceProbe) -> None:
    there = looking.text.mask.float()
    looked = (there / there.sum()).expand(1, 2, 4, -1)
    maps = looking._expressions(looked)
    torch.testing.assert_close(maps, torch.ones(1, 2, 4, 8))


def test_the_model_is_left_as_it_was(looking: ReferenceProbe) -> None:
    before = probe.fingerprint(looking.model)
    looking.look(pictures(), 1, (0,))
    assert not any(m._forward_hooks for m in looking.model.denoiser.modules())
    assert probe.fingerprint(looking.model) == before


@pytest.mark.parametrize("part", ["prior.latents", "prior.form", "denoiser", "adapter"])
def test_the_fingerprint_tells_each_part(part: str) -> None:
    ours = model()
    before = probe.fingerprint(ours)
    module = ours
    for name in part.split("."):
        module = getattr(module, name)
    next(iter(module.state_dict().values())).add_(1)  # type: ignore[attr-defined]
    assert probe.fingerprint(ours) != before
