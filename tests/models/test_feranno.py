from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from synfer_core.errors import WeightsError
from synfer_core.models import feranno, sd_adapter
from synfer_core.models.added import Added
from synfer_core.models.attention import AUInput, CrossAttention, Decoupled, SelfAttention
from synfer_core.models.feranno import FeatureTap, FERAnno, FERAnnoConfig, MapTap
from synfer_core.models.stable_diffusion import StableDiffusion
from tests.models import tiny_sd

CONFIG = FERAnnoConfig(
    channels=((2, 12), (4, 20)), backbone="0" * 64, width=16, blocks=1, heads=2, temperature=1.0
)


def unet() -> Any:
    torch.manual_seed(0)
    net: Any = UNet2DConditionModel(  # type: ignore[no-untyped-call]
        sample_size=4,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    return net.eval()


@torch.no_grad()
def call(net: nn.Module) -> Tensor:
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    output: Tensor = net(latents, torch.tensor([49, 49]), torch.ones(2, 5, 8), return_dict=False)[0]
    return output


def test_tap_layers_are_the_last_attention_of_each_block() -> None:
    assert sorted(feranno.tap_layers(unet())) == [
        "down_blocks.0.attentions.0",
        "down_blocks.1.attentions.0",
        "mid_block.attentions.0",
        "up_blocks.0.attentions.1",
        "up_blocks.1.attentions.1",
    ]


def test_a_tap_keeps_outputs_and_leaves_the_unet_as_it_was() -> None:
    net = unet()
    before = call(net)
    hooks = [len(m._forward_hooks) for m in net.modules()]
    with FeatureTap(net, feranno.tap_layers(net)) as tap:
        during = call(net)
        shapes = {name: tuple(t.shape) for name, t in tap.outputs.items()}
    assert shapes["down_blocks.0.attentions.0"] == (2, 16, 4, 4)
    assert shapes["mid_block.attentions.0"] == (2, 32, 2, 2)
    assert len(shapes) == 5
    assert torch.equal(during, before)
    assert torch.equal(call(net), before)
    assert [len(m._forward_hooks) for m in net.modules()] == hooks


def test_a_tap_goes_when_the_call_fails() -> None:
    net = unet()
    with pytest.raises(RuntimeError), FeatureTap(net, ("mid_block.attentions.0",)):
        net(torch.zeros(1, 3, 4, 4), 0, torch.ones(1, 5, 8))
    assert not any(m._forward_hooks for m in net.modules())


def test_map_tap_records_words_and_aus_of_every_row() -> None:
    net = unet()
    ours = CrossAttention(Decoupled("au", nn.Linear(8, 16), nn.Linear(8, 16)))
    plain = {
        name: CrossAttention() if "attn2" in name else SelfAttention()
        for name in net.attn_processors
    }
    net.set_attn_processor(
        {**plain, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor": ours}
    )
    taps = MapTap(words=((0,), (1, 2)))
    au = AUInput(torch.randn(2, 36, 8), torch.zeros(2))
    latents, tokens = torch.randn(2, 4, 4, 4), torch.randn(2, 5, 8)

    @torch.no_grad()
    def run(**extra: object) -> Tensor:
        output: Tensor = net(latents, 49, tokens, cross_attention_kwargs=extra, return_dict=False)[
            0
        ]
        return output

    recorded = run(au=au, recorder=taps)
    assert torch.equal(recorded, run())
    fine = [tuple(m.shape) for m in taps.maps[4]]
    assert fine == [(2, 2, 4, 4), (2, 36, 4, 4), (2, 2, 4, 4), (2, 2, 4, 4)]
    au_maps = taps.maps[4][1]
    torch.testing.assert_close(au_maps.mean(1), torch.ones(2, 4, 4))
    assert not torch.equal(au_maps[0], au_maps[1])


def features(count: int = 3) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {s: torch.randn(count, c, s, s, generator=generator) for s, c in CONFIG.channels}


def test_the_cascade_reads_a_batch_row_by_row() -> None:
    torch.manual_seed(0)
    net = FERAnno(CONFIG).eval()
    read = net(features())
    assert read.logits.shape == (3, 8)
    assert read.aus.shape == (3, 36)
    assert read.attention.shape == (3, 44, 4, 4)
    torch.testing.assert_close(read.attention.sum((2, 3)), torch.ones(3, 44))
    alone = net({s: t[1:2] for s, t in features().items()})
    torch.testing.assert_close(alone.logits[0], read.logits[1])


@pytest.mark.parametrize("side", [2, 4])
def test_each_scale_counts(side: int) -> None:
    torch.manual_seed(0)
    net = FERAnno(CONFIG).eval()
    changed = features()
    changed[side] = changed[side] + 1
    assert (net(changed).logits - net(features()).logits).abs().max() > 1e-3


def test_fit_makes_the_reading_blind_to_channel_scales() -> None:
    torch.manual_seed(0)
    one, other = FERAnno(CONFIG).eval(), FERAnno(CONFIG).eval()
    other.load_state_dict(one.state_dict())
    scaled = {s: 100 * t + 7 for s, t in features().items()}
    one.fit(features())
    other.fit(scaled)
    torch.testing.assert_close(one(features()).logits, other(scaled).logits, atol=1e-3, rtol=1e-3)


def test_saved_with_its_temperature(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = FERAnno(CONFIG).eval()
    feranno.save(net, tmp_path / "feranno.safetensors", temperature=1.7)
    loaded, _ = feranno.load(tmp_path / "feranno.safetensors")
    assert loaded.config.temperature == 1.7
    assert loaded.config.channels == CONFIG.channels
    torch.testing.assert_close(
        loaded(features()).logits, net(features()).logits, atol=5e-3, rtol=5e-3
    )
    with pytest.raises(WeightsError, match="another denoiser"):
        feranno.check_backbone(loaded, "1" * 64)


def test_the_probe_reads_any_batch_alike_and_leaves_the_model_alone(tmp_path: Path) -> None:
    sd_adapter.save(tiny_sd.slot_adapter(), tmp_path / "units.safetensors")
    added = Added("tiny", str(tiny_sd.write(tmp_path / "model")), tmp_path / "units.safetensors")
    model = StableDiffusion.load(added)
    probe, unet = model.probe(), model.denoiser.unet
    latents = torch.randn(3, *model.latent_shape, generator=torch.Generator().manual_seed(6))
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    first = probe.features(latents, 20, (0,))
    assert sorted(first) == [4, 8]
    assert all(t.isfinite().all() for t in first.values())
    alone = probe.features(latents[2:], 20, (0,))
    for side, tensor in first.items():
        torch.testing.assert_close(tensor[2:], alone[side], atol=1e-4, rtol=1e-4)
    deeper = probe.features(latents, 20, (0, 2))
    read = {8: latents.shape[1], 4: 0}
    assert all(deeper[s].shape[1] - n == 2 * (first[s].shape[1] - n) for s, n in read.items())
    torch.testing.assert_close(first[8][:, : read[8]], latents)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())
    assert not any(module._forward_hooks for module in unet.modules())


def test_every_place_reads_the_latents_through_weights_of_its_own() -> None:
    config = replace(CONFIG, channels=((4, 20),), latents=3)
    net = FERAnno(config).eval()
    features = torch.zeros(1, 20, 4, 4)
    features[:, :3] = 1.0
    scale = net.scales[0]
    read = scale._by_place(features) - scale._by_place(torch.zeros_like(features))
    assert read.flatten(2).std(dim=-1).min() > 0, "the same latents read differently elsewhere"
    features[:, 3:] = 9.0
    again = scale._by_place(features) - scale._by_place(torch.zeros_like(features))
    torch.testing.assert_close(again, read)


def test_half_faces_share_the_weights_of_their_places() -> None:
    torch.manual_seed(0)
    net = FERAnno(replace(CONFIG, channels=((4, 20),), latents=3, halves=(0, 3))).eval()
    scale = net.scales[0]
    assert scale.latents.shape == (2, 3, 16)
    features = torch.randn(2, 20, 4, 4)
    features[1] = features[0].flip(-1)
    read = scale._by_place(features) - scale._by_place(torch.zeros_like(features))
    torch.testing.assert_close(read[1], read[0].flip(-1), atol=1e-5, rtol=1e-5)
    told = read[0].abs().sum(0) > 0
    assert told.nonzero().tolist() == [[0, 0], [0, 3], [1, 1], [1, 2]]
