"""Recording maps must not change what is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from synfer_core.facs import AU_SLOTS
from synfer_core.models.attention import AUInput, Recorder, attention_maps
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import Context
from synfer_core.models.sd_parts import processors
from tests.models import tiny_sd

TOKENS = 12
SPOKEN = 10
"""Tokens of words; the others only fill up."""


@pytest.fixture
def unet() -> Any:
    torch.manual_seed(1)
    net = tiny_sd.unet().eval()
    net.set_attn_processor(processors(net, sliced=False))
    return net


def _units() -> AUAdapter:
    units = tiny_sd.slot_adapter().units
    assert units is not None
    return units


def _context(rows: int, au: AUInput | None = None) -> Context:
    mask = torch.ones(rows, TOKENS, dtype=torch.bool)
    mask[:, SPOKEN:] = False
    generator = torch.Generator().manual_seed(2)
    return Context(torch.randn(rows, TOKENS, tiny_sd.WIDTH, generator=generator), mask, au)


@torch.no_grad()
def _call(unet: Any, context: Context, recorder: Recorder | None = None) -> Tensor:
    rows = len(context.tokens)
    noisy = torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    output: Tensor = unet(
        noisy,
        torch.tensor([100, 900][:rows]),
        context.tokens,
        encoder_attention_mask=context.mask,
        cross_attention_kwargs={"au": context.au, "recorder": recorder},
        return_dict=False,
    )[0]
    return output


@torch.no_grad()
def test_recording_changes_nothing_and_maps_sum_to_one(unet: Any) -> None:
    units = _units()
    units.inject(unet)
    context = _context(2, units(torch.rand(2, len(AU_SLOTS)), torch.ones(2)))
    recorder = Recorder(4)
    plain = _call(unet, context)
    assert torch.equal(plain, _call(unet, context, recorder))
    for source, tokens in (("au", len(AU_SLOTS)), ("text", TOKENS)):
        maps = recorder.mean(source)
        assert maps is not None
        assert maps.shape == (tokens, 4, 4)
        assert torch.allclose(maps.sum(0), torch.ones(4, 4), atol=1e-5)


def test_padded_words_get_no_attention(unet: Any) -> None:
    recorder = Recorder(4)
    _call(unet, _context(1), recorder)
    maps = recorder.mean("text")
    assert maps is not None
    assert maps[SPOKEN:].abs().max() == 0
    assert maps[:SPOKEN].min() > 0


def test_nothing_recorded_is_none() -> None:
    assert Recorder(4).mean("au") is None
    assert attention_maps(Recorder(4), ["AU12"], [("smile", (1,))]).mass == {}


def test_maps_are_means_over_sides_and_over_the_tokens_of_a_word() -> None:
    by_au, by_token = torch.rand(len(AU_SLOTS), 4, 4), torch.rand(5, 4, 4)
    recorder = Recorder(4, {"au": 2 * by_au, "text": by_token}, {"au": 2, "text": 1})
    mass = attention_maps(recorder, ["AU12", "AUL2"], [("a", (1,)), ("smile", (2, 3))]).mass
    assert list(mass) == ["AU12", "AUL2", "word:0:a", "word:1:smile"]
    left, right, brow = (AU_SLOTS.index(slot) for slot in ("AUL12", "AUR12", "AUL2"))
    expected = (by_au[left] + by_au[right]) / 2, by_au[brow], by_token[1], by_token[2:4].mean(0)
    for found, wanted in zip(mass.values(), expected, strict=True):
        torch.testing.assert_close(torch.as_tensor(found), wanted)


@torch.no_grad()
def test_inject_and_eject_leave_the_unet_as_it_was(unet: Any) -> None:
    units = _units()
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    held = dict(unet.attn_processors)
    plain = _call(unet, _context(2))
    units.inject(unet)
    acting = _context(2, units(torch.rand(2, len(AU_SLOTS)), torch.ones(2)))
    assert not torch.allclose(plain, _call(unet, acting), atol=1e-4)
    assert torch.equal(plain, _call(unet, acting.without_au()))
    units.eject(unet)
    assert torch.equal(plain, _call(unet, _context(2)))
    assert unet.attn_processors == held
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.no_grad()
def test_a_fresh_adapter_changes_nothing(unet: Any) -> None:
    fresh = AUAdapter.for_unet(unet, tiny_sd.WIDTH)
    plain = _call(unet, _context(1))
    fresh.inject(unet)
    acting = _context(1, fresh(torch.rand(1, len(AU_SLOTS)), torch.ones(1)))
    assert torch.equal(plain, _call(unet, acting))


def test_words_are_a_part_that_can_be_exchanged() -> None:
    context = _context(1)
    part = context.part("text")
    assert part is not None
    assert context.part("au") is None
    moved = context.with_part("text", part[0] + 1)
    assert torch.equal(moved.tokens, context.tokens + 1)
    assert torch.equal(moved.mask, part[1])
