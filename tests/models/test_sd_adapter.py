"""AU adapters and LoRA in a Stable Diffusion U-Net; FineFace's files in their published layout."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from synfer_core.cli import main
from synfer_core.errors import DependencyError, RequestError, UnsupportedError, WeightsError
from synfer_core.facs import to_slots
from synfer_core.models import checkpoints, sd_adapter, tensor_pickle
from synfer_core.models.added import Added
from synfer_core.models.fineface import AUS, LEAST_WIDTH
from synfer_core.models.lora import Lora
from synfer_core.models.sd_adapter import (
    ENCODER_FILE,
    PROCESSORS_FILE,
    SDAdapter,
    read_fineface,
)
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.request import Recipe
from tests.models import tiny_sd
from tests.models.test_stable_diffusion import made

NOISY, TOKENS = torch.randn(2, 4, 8, 8), torch.randn(2, 7, tiny_sd.WIDTH)


@torch.no_grad()
def called(unet: Any, **kwargs: Any) -> torch.Tensor:
    options = {"cross_attention_kwargs": kwargs} if kwargs else {}
    output: torch.Tensor = unet(NOISY, torch.tensor([10, 900]), TOKENS, **options).sample
    return output


def adapters(folder: Path) -> dict[str, SDAdapter]:
    return {
        "units": tiny_sd.slot_adapter(),
        "lora": SDAdapter(None, Lora.of_unet(tiny_sd.lora())),
        "both": tiny_sd.slot_adapter(Lora.of_unet(tiny_sd.lora())),
        "fineface": read_fineface(tiny_sd.write_fineface(folder)),
    }


@pytest.mark.parametrize("kind", ["units", "lora", "both", "fineface"])
def test_inject_and_eject_leave_the_unet_bit_for_bit_as_it_was(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    unet = tiny_sd.unet().eval()
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    modules = {name: type(module) for name, module in unet.named_modules()}
    processors, plain = dict(unet.attn_processors), called(unet)
    adapter = adapters(tmp_path)[kind]
    adapter.inject(unet)
    options: dict[str, Any] = {}
    if adapter.units is not None:
        slots = torch.tensor([to_slots({"AU12": 4.0})] * 2)
        options = {"au": adapter.units(slots, torch.ones(2))}
    with_it = called_ours(unet, **options)
    assert not torch.allclose(with_it, plain, atol=1e-3)
    adapter.eject(unet)
    assert torch.equal(called(unet), plain)
    assert unet.attn_processors == processors
    assert {name: type(module) for name, module in unet.named_modules()} == modules
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def called_ours(unet: Any, **options: Any) -> torch.Tensor:
    """A call that self-attention layers of `diffusers` would warn about."""
    theirs = dict(unet.attn_processors)
    ours = {
        name: p if name.endswith("attn2.processor") and options else type(p)()
        for name, p in theirs.items()
    }
    if not options:
        return called(unet)
    from synfer_core.models.attention import SelfAttention

    unet.set_attn_processor(
        {n: p if n.endswith("attn2.processor") else SelfAttention() for n, p in ours.items()}
    )
    output = called(unet, **options)
    unet.set_attn_processor(theirs)
    return output


def test_two_loras_act_together_and_leave_one_by_one() -> None:
    unet = tiny_sd.unet().eval()
    plain = called(unet)
    first, second = (
        SDAdapter(None, Lora.of_unet({k: v * scale for k, v in tiny_sd.lora().items()}), name)
        for name, scale in (("first", 1.0), ("second", 0.7))
    )
    first.inject(unet)
    alone = called(unet)
    second.inject(unet)
    assert not torch.allclose(called(unet), alone, atol=1e-4)
    second.eject(unet)
    assert torch.equal(called(unet), alone)
    first.eject(unet)
    assert torch.equal(called(unet), plain)


def test_an_adapter_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    for name, adapter in adapters(tmp_path / "fineface").items():
        sd_adapter.save(adapter, tmp_path / f"{name}.safetensors")
        again, sha256 = sd_adapter.load(tmp_path / f"{name}.safetensors")
        assert len(sha256) == 64
        assert again.lora.unet.keys() == adapter.lora.unet.keys()
        assert all(torch.equal(again.lora.unet[k], v) for k, v in adapter.lora.unet.items())
        assert (again.units is None) == (adapter.units is None)
        if adapter.units is not None and again.units is not None:
            assert again.units.config == adapter.units.config
            theirs = again.units.state_dict()
            assert all(torch.equal(theirs[k], v) for k, v in adapter.units.state_dict().items())


def test_finefaces_token_is_values_code_and_zeros(tmp_path: Path) -> None:
    folder = tiny_sd.write_fineface(tmp_path)
    units = read_fineface(folder).units
    assert units is not None
    assert (units.aus, units.sided) == (AUS, False)
    encoder = torch.load(folder / ENCODER_FILE, weights_only=True)
    values = torch.zeros(1, 12)
    values[0, AUS.index("AU4")], values[0, AUS.index("AU12")] = 2.0, 4.0
    code = F.linear(values, encoder["au_encoder.weight"], encoder["au_encoder.bias"])
    slots = torch.tensor([to_slots({"AU12": 4.0, "AU4": 2.0, "AU7": 5.0})])
    token = units(slots, torch.ones(1)).tokens
    assert token.shape == (1, 1, tiny_sd.WIDTH)
    zeros = torch.zeros(1, tiny_sd.WIDTH - LEAST_WIDTH)
    assert torch.allclose(token[0], torch.cat([values, code, zeros], 1), atol=1e-5)
    off = units(slots, torch.ones(1)).without()
    assert torch.allclose(off.tokens[0, :, 12:76], encoder["au_encoder.bias"], atol=1e-5)
    assert off.scale.item() == 1.0, "it was trained without ever being switched off"


@pytest.fixture(scope="module")
def fineface(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion:
    """FineFace's files converted by the command, on the tiny model."""
    place = tmp_path_factory.mktemp("fineface")
    tiny_sd.write(place / "model")
    tiny_sd.write_fineface(place / "files")
    target = place / "fineface.safetensors"
    assert main(["adapters", "convert", str(place / "files"), "--out", str(target)]) == 0
    return StableDiffusion.load(Added("fineface", str(place / "model"), target), place)


def test_finefaces_files_make_faces(fineface: StableDiffusion) -> None:
    recipe = Recipe(backbone="fineface", text="an old man", aus={"AU12": 4.0}, steps=2)
    abilities = fineface.capabilities
    assert abilities.aus == AUS
    assert (abilities.sides, abilities.moves("AU7"), abilities.moves("AUL12")) == (False,) * 3
    smile = made(fineface, recipe)
    assert set(smile.attention.mass) == {"word:0:an", "word:1:old", "word:2:man"}
    frown = made(fineface, recipe.model_copy(update={"aus": {"AU4": 4.0}}))
    assert (smile.image != frown.image).any()
    none = made(fineface, recipe.model_copy(update={"aus": {}}))
    zero = made(fineface, recipe.model_copy(update={"aus": {"AU12": 0.0}}))
    assert np.abs(none.image.astype(int) - zero.image).max() <= 1
    off = made(fineface, recipe.model_copy(update={"au_scale": 0.0}))
    assert (off.image != zero.image).any()


@pytest.mark.parametrize(
    ("aus", "message"),
    [({"AU7": 2.0}, r"aus\.AU7"), ({"AUL12": 2.0}, r"aus\.AUL12: .*both sides of the face alike")],
)
def test_what_fineface_lacks_is_refused(
    fineface: StableDiffusion, aus: dict[str, float], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        fineface.check(Recipe(backbone="fineface", aus=aus))


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("bomb"),))


def test_a_pickle_that_holds_anything_but_tensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tensor = torch.zeros(2)
    holds: list[object] = [Bomb(), {"a": Bomb()}, {"a": tensor, "b": [1]}, [tensor], tensor,
                           {1: tensor}, {"a": {"b": tensor}}, {"a": "text"}]  # fmt: skip
    for index, value in enumerate(holds):
        torch.save(value, tmp_path / f"{index}.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps({"a": Bomb()}, protocol=2))
    (tmp_path / "text.ckpt").write_text("no pickle")
    for file in sorted(tmp_path.glob("*.ckpt")):
        with pytest.raises(WeightsError, match=file.name):
            tensor_pickle.load(file)
    assert not (tmp_path / "bomb").exists()
    with pytest.raises(WeightsError, match="is missing"):
        tensor_pickle.load(tmp_path / "nothing.ckpt")
    torch.save({"a": tensor.half()}, tmp_path / "good.pt")
    assert tensor_pickle.load(tmp_path / "good.pt")["a"].dtype == torch.float32


def _first(tensors: dict[str, torch.Tensor]) -> str:
    return next(iter(tensors))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (ENCODER_FILE, lambda t: {"au_encoder.weight": t["au_encoder.weight"]}, ENCODER_FILE),
        (PROCESSORS_FILE, lambda t: {**t, "conv_in.weight": torch.zeros(3)}, "does not know conv"),
        (PROCESSORS_FILE, lambda t: {k: v for k, v in t.items() if k != _first(t)}, "half a layer"),
        (PROCESSORS_FILE, lambda t: {k: v[:, :50] for k, v in t.items()}, r"tokens \[50\] wide"),
    ],
)
def test_nothing_of_fineface_is_skipped(
    tmp_path: Path, file: str, change: Any, message: str
) -> None:
    folder = tiny_sd.write_fineface(tmp_path)
    torch.save(change(torch.load(folder / file, weights_only=True)), folder / file)
    with pytest.raises(WeightsError, match=message):
        read_fineface(folder)


def test_an_adapter_with_other_weights_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "units.safetensors"
    sd_adapter.save(tiny_sd.slot_adapter(), file)
    held = checkpoints.load(file, sd_adapter.KIND)
    less = {k: v for k, v in held.tensors.items() if k != "units.values.0.weight"}
    more = {**held.tensors, "odd": torch.ones(2)}
    for tensors, message in ((less, r"values\.0\.weight"), (more, "holds odd")):
        checkpoints.save(file, sd_adapter.KIND, tensors, held.config)
        with pytest.raises(WeightsError, match=f"units.safetensors: .*(?s:.*){message}"):
            sd_adapter.load(file)


def test_a_lora_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"synfer-studio\[sd\]"):
        SDAdapter(None, Lora.of_unet(tiny_sd.lora())).inject(tiny_sd.unet())


def test_convert_wants_a_safetensors_name(tmp_path: Path) -> None:
    from synfer_core.cli import build_parser

    args = build_parser("adapters").parse_args(
        ["adapters", "convert", str(tmp_path), "--out", str(tmp_path / "f.bin")]
    )
    with pytest.raises(RequestError, match="--out"):
        args.run(args)
