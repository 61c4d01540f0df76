"""Recording maps must not change what is computed."""

from __future__ import annotations

import torch

from synfer_core.facekit.identity import CODE_SIZE, IDENTITY_GROUPS
from synfer_core.models.attention import Recorder
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import Context, Denoiser
from tests.conftest import TINY_DENOISER


def _denoiser() -> tuple[Denoiser, AUAdapter]:
    torch.manual_seed(1)
    net = Denoiser(TINY_DENOISER).eval()
    adapter = AUAdapter.for_unet(net.unet, net.config.token_width).eval()
    for value in adapter.values:
        torch.nn.init.normal_(value.weight, std=0.1)
    return net, adapter


def _context(net: Denoiser, rows: int) -> Context:
    mask = torch.ones(rows, 48, dtype=torch.bool)
    mask[:, 10:] = False
    known = torch.ones(rows, len(IDENTITY_GROUPS))
    return net.context(torch.randn(rows, 48, 384), mask, torch.randn(rows, CODE_SIZE), known)


@torch.no_grad()
def test_recording_changes_nothing_and_maps_sum_to_one() -> None:
    net, adapter = _denoiser()
    adapter.inject(net.unet)
    context = _context(net, 2)
    context = Context(context.tokens, context.mask, adapter(torch.rand(2, 36), torch.ones(2)))
    latents, timesteps = torch.randn(2, 8, 4, 4), torch.tensor([500, 500])
    recorder = Recorder(4)
    plain = net(latents, timesteps, context)
    assert torch.equal(plain, net(latents, timesteps, context, recorder))
    for source, tokens in (("au", 36), ("text", 52)):
        maps = recorder.mean(source)
        assert maps is not None
        assert maps.shape == (tokens, 4, 4)
        assert torch.allclose(maps.sum(0), torch.ones(4, 4), atol=1e-5)


@torch.no_grad()
def test_padded_words_get_no_attention() -> None:
    net, _ = _denoiser()
    recorder = Recorder(4)
    net(torch.randn(1, 8, 4, 4), torch.tensor([10]), _context(net, 1), recorder)
    maps = recorder.mean("text")
    assert maps is not None
    assert maps[10:48].abs().max() == 0
    assert maps[48:].min() > 0


def test_nothing_recorded_is_none() -> None:
    assert Recorder(4).mean("au") is None


@torch.no_grad()
def test_inject_and_eject_leave_the_unet_as_it_was() -> None:
    net, adapter = _denoiser()
    before = {name: value.clone() for name, value in net.unet.state_dict().items()}
    processors = dict(net.unet.attn_processors)
    context = _context(net, 2)
    latents, timesteps = torch.randn(2, 8, 4, 4), torch.tensor([100, 900])
    plain = net(latents, timesteps, context)
    adapter.inject(net.unet)
    acting = Context(context.tokens, context.mask, adapter(torch.rand(2, 36), torch.ones(2)))
    assert not torch.allclose(plain, net(latents, timesteps, acting), atol=1e-4)
    assert torch.equal(plain, net(latents, timesteps, acting.without_au()))
    adapter.eject(net.unet)
    assert torch.equal(plain, net(latents, timesteps, context))
    assert net.unet.attn_processors == processors
    after = net.unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.no_grad()
def test_a_fresh_adapter_changes_nothing() -> None:
    net, _ = _denoiser()
    fresh = AUAdapter.for_unet(net.unet, net.config.token_width)
    context = _context(net, 1)
    latents, timesteps = torch.randn(1, 8, 4, 4), torch.tensor([300])
    plain = net(latents, timesteps, context)
    fresh.inject(net.unet)
    acting = Context(context.tokens, context.mask, fresh(torch.rand(1, 36), torch.ones(1)))
    assert torch.equal(plain, net(latents, timesteps, acting))
