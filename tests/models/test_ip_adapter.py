"""IP-Adapters in their published layout: as `diffusers` has them, beside AUs and LoRA."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessorPil

from synfer_core.editing import reference_of
from synfer_core.errors import RequestError, UnsupportedError, WeightsError
from synfer_core.facs import to_slots
from synfer_core.models import ip_adapter, sd_adapter, sd_parts
from synfer_core.models import lora as loras
from synfer_core.models.added import Added
from synfer_core.models.ip_adapter import ENCODER, IPAdapter
from synfer_core.models.lora import Lora
from synfer_core.models.memory import Plan
from synfer_core.models.sd_adapter import SDAdapter
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.request import Recipe
from tests.models import tiny_ip_adapter, tiny_sd
from tests.models.test_stable_diffusion import made

CPU = torch.device("cpu")
KINDS = ("plain", "plus", "full")


def face(seed: int = 3, side: int = 48) -> Any:
    """A picture whose pixels are not all alike."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.array(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


WHO = {"identity_image": reference_of(face())}
LOOK = Recipe(backbone="tiny", text="a smiling woman", aus={"AU12": 4.0}, steps=3, **WHO)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, an AU adapter, a LoRA and IP-Adapters of each kind."""
    folder = tmp_path_factory.mktemp("ip")
    tiny_sd.write(folder / "model")
    sd_adapter.save(tiny_sd.slot_adapter(), folder / "units.safetensors")
    loras.save(tiny_sd.lora(), folder / "lora.safetensors")
    for kind in KINDS:
        tiny_ip_adapter.write(folder / kind, kind)
    return folder


def loaded(place: Path, kind: str | None = "plus", **files: Path) -> StableDiffusion:
    where = None if kind is None else place / kind
    added = Added("tiny", str(place / "model"), **files, face=where)
    return StableDiffusion.load(added, plan=Plan("float32"))


@pytest.fixture(scope="module")
def model(place: Path) -> StableDiffusion:
    return loaded(place, adapter=place / "units.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_it_makes_what_the_pipeline_of_diffusers_makes(place: Path, kind: str) -> None:
    pipeline: Any = StableDiffusionPipeline.from_pretrained(
        place / "model", safety_checker=None, low_cpu_mem_usage=False
    )
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True
    )
    pipeline.set_progress_bar_config(disable=True)
    side = tiny_ip_adapter.SIDE
    pipeline.register_modules(feature_extractor=CLIPImageProcessorPil(size=side, crop_size=side))
    name = f"ip-adapter-{kind}_sd15.safetensors"
    pipeline.load_ip_adapter(place / kind, subfolder="", weight_name=name, low_cpu_mem_usage=False)
    pipeline.set_ip_adapter_scale(0.7)
    theirs = pipeline(
        "a smiling woman",
        negative_prompt="an old man",
        ip_adapter_image=Image.fromarray(face()),
        latents=torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5)),
        num_inference_steps=4,
        guidance_scale=7.5,
        output_type="latent",
    ).images
    recipe = Recipe(backbone="tiny", text="a smiling woman", negative_text="an old man", seed=5,
                    steps=4, guidance={"text": 7.5}, identity_scale=0.7, **WHO)  # fmt: skip
    model = loaded(place, kind)
    ours = made(model, recipe)
    assert torch.allclose(ours.latents, theirs, atol=1e-4)
    plain = made(model, recipe.model_copy(update={"identity_image": None, "identity_scale": None}))
    assert not torch.allclose(ours.latents, plain.latents, atol=0.05)


def read(unet: Any, place: Path, kind: str = "plus") -> IPAdapter:
    return ip_adapter.load(place / kind, unet, CPU)


NOISY, TOKENS = torch.randn(2, 4, 8, 8), torch.randn(2, 7, tiny_sd.WIDTH)


@torch.no_grad()
def called(unet: Any, **inputs: Any) -> torch.Tensor:
    output: torch.Tensor = unet(
        NOISY, torch.tensor([10, 900]), TOKENS, cross_attention_kwargs=inputs or None
    ).sample
    return output


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_it_goes_in_and_out_beside_units_and_lora_in_any_order(
    place: Path, order: tuple[int, ...]
) -> None:
    torch.manual_seed(4)
    unet = tiny_sd.unet().eval()
    unet.set_attn_processor(sd_parts.processors(unet, sliced=False))
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    modules = {name: type(module) for name, module in unet.named_modules()}
    processors, plain = dict(unet.attn_processors), called(unet)
    units, lora = tiny_sd.slot_adapter(), SDAdapter(None, Lora.of_unet(tiny_sd.lora()), "lora")
    picture = read(unet, place)
    shown, none = picture.read(LOOK)
    assert units.units is not None
    au = units.units(torch.tensor([to_slots({"AU12": 4.0})] * 2), torch.ones(2))
    inputs = {"au": au, "image": type(shown).cat([shown, none])}
    parts = (units, lora, picture)
    for part in parts:
        part.inject(unet)
    expected = called(unet, **inputs)
    for part in parts:
        part.eject(unet)
    for index in order:
        parts[index].inject(unet)
    together = called(unet, **inputs)
    assert torch.equal(together, expected)
    for index in order:
        alone = called(unet, **inputs)
        assert not torch.allclose(alone, plain, atol=1e-3)
        parts[index].eject(unet)
    picture.eject(unet)
    assert torch.equal(called(unet), plain), "also where there was nothing to take out"
    assert unet.attn_processors == processors
    assert {name: type(module) for name, module in unet.named_modules()} == modules
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_at_scale_0_and_without_a_picture_nothing_is_changed(
    place: Path, model: StableDiffusion
) -> None:
    bare = LOOK.model_copy(update={"identity_image": None})
    other = made(loaded(place, None, adapter=place / "units.safetensors"), bare)
    assert (made(model, bare).image == other.image).all()
    off = made(model, LOOK.model_copy(update={"identity_scale": 0.0}))
    assert (off.image == other.image).all()


@pytest.mark.parametrize(
    "change",
    [{"identity_image": reference_of(face(4))}, {"identity_image": "sample:ada"},
     {"identity_scale": 1.0}, {"aus": {"AU12": 1.0}}, {"seed": 1}, {"au_scale": 0.0}],
)  # fmt: skip
def test_picture_and_units_both_reach_the_pixels(
    model: StableDiffusion, change: dict[str, Any]
) -> None:
    changed = Recipe.parse(LOOK.model_dump(exclude_none=True) | change)
    assert (made(model, LOOK).image != made(model, changed).image).any()


def test_equal_recipes_give_equal_pixels_under_the_weights_that_made_them(
    place: Path, model: StableDiffusion
) -> None:
    assert (made(model, LOOK).image == made(model, LOOK).image).all()
    bare = LOOK.model_copy(update={"identity_image": None})
    without = loaded(place, None, adapter=place / "units.safetensors")
    assert model.check(bare).weights_sha256 == without.check(bare).weights_sha256
    hashes = {
        loaded(place, kind, adapter=place / "units.safetensors").check(LOOK).weights_sha256
        for kind in KINDS
    }
    assert len(hashes | {model.check(bare).weights_sha256}) == 4
    assert model.fingerprint() == without.fingerprint(), "FERAnno never looks at a picture"


def test_a_face_is_inverted_without_the_picture(model: StableDiffusion) -> None:
    edit = LOOK.model_copy(update={"reference": reference_of(face(5, 64)), "steps": 4})
    plain = edit.model_copy(update={"identity_image": None})
    one, other = made(model, edit), made(model, plain)
    assert one.reconstruction_psnr == other.reconstruction_psnr
    assert (one.image != other.image).any()


def test_what_it_declares(place: Path, model: StableDiffusion) -> None:
    assert model.capabilities.identity_image
    assert "identity_image" not in model.capabilities.reasons
    with pytest.raises(UnsupportedError, match=r"identity_seed: .*keeps the person of a picture"):
        model.check(Recipe(backbone="tiny", identity_seed=1))
    bare = loaded(place, None)
    assert not bare.capabilities.identity_image
    with pytest.raises(UnsupportedError, match=r"identity_image: .*has no IP-Adapter; .*face=DIR"):
        bare.check(Recipe(backbone="tiny", **WHO))


@pytest.mark.parametrize(
    ("picture", "message"),
    [("sample:nobody", "identity_image: there is no sample"),
     (reference_of(face()[:40]), "identity_image: is 48 x 40 pixels"),
     (reference_of(face())[:400], "identity_image")],
)  # fmt: skip
def test_a_picture_that_cannot_be_used_is_named(
    model: StableDiffusion, picture: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        model.check(Recipe(backbone="tiny", identity_image=picture))


def test_the_encoder_is_on_its_device_only_while_it_looks(place: Path) -> None:
    adapter = read(tiny_sd.unet(), place)
    assert adapter.tokens(face()).shape == (2, 5, tiny_sd.WIDTH)
    assert adapter.tokens(face()).dtype == torch.float32
    assert ip_adapter.count_weights(place / "plus") == sum(
        p.numel() for p in adapter.encoder.parameters()
    )


def test_half_precision_changes_little(place: Path, model: StableDiffusion) -> None:
    added = Added("tiny", str(place / "model"), place / "units.safetensors", face=place / "plus")
    half = made(StableDiffusion.load(added, plan=Plan("bfloat16")), LOOK).image.astype(int)
    assert 0 < np.abs(half - made(model, LOOK).image).mean() < 12


def _without(tensors: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(start)}


NARROW = torch.zeros(32, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: _without(t, "image_proj."), "holds half of it"),
        (lambda t: _without(t, "ip_adapter."), "holds half of it"),
        (lambda t: t | {"conv_in.weight": NARROW}, "holds conv_in"),
        (lambda t: t | {"ip_adapter.1.to_q.weight": NARROW}, r"holds ip_adapter\.1\.to_q"),
        (lambda t: _without(t, "ip_adapter.3."), "cross-attention layers"),
        (lambda t: t | {"ip_adapter.1.to_k_ip.weight": NARROW}, "tokens 64, 80 wide"),
        (lambda t: t | {"ip_adapter.0.to_k_lora.down.weight": NARROW}, "FaceID.*insightface"),
        (lambda t: t | {"image_proj.norm.weight": NARROW, "image_proj.proj.0.weight": NARROW + 1},
         "FaceID"),
        (lambda t: _without(t, "image_proj.latents"), "another image_proj"),
        (lambda t: _without(t, "image_proj.proj_out."), "another image_proj"),
        (lambda t: t | {"image_proj.extra": NARROW}, "another image_proj"),
        (lambda t: t | {"image_proj.proj_in.weight": torch.zeros(64, 24)}, "another image encoder"),
    ],
)  # fmt: skip
def test_another_layout_is_refused(place: Path, tmp_path: Path, change: Any, message: str) -> None:
    (tmp_path / ENCODER).symlink_to(place / "plus" / ENCODER)
    save_file(change(tiny_ip_adapter.tensors("plus")), tmp_path / "ip-adapter_x.safetensors")
    with pytest.raises(WeightsError, match=message):
        ip_adapter.load(tmp_path, tiny_sd.unet(), CPU)


def test_another_models_adapter_is_refused(place: Path) -> None:
    with pytest.raises(WeightsError, match="for a U-Net with tokens 80 wide"):
        read(tiny_sd.unet(96), place)
    adapter = read(tiny_sd.unet(), place)
    with pytest.raises(WeightsError, match="IP-Adapter: is for a U-Net with tokens 80 wide"):
        adapter.inject(tiny_sd.unet(96))


def test_folders_and_files_that_cannot_be_used_are_named(place: Path, tmp_path: Path) -> None:
    unet = tiny_sd.unet()
    with pytest.raises(WeightsError, match="holds no ip-adapter"):
        ip_adapter.load(tmp_path, unet, CPU)
    file = tmp_path / "ip-adapter_a.safetensors"
    save_file(tiny_ip_adapter.tensors("plain"), file)
    with pytest.raises(WeightsError, match="has no image_encoder/ beside it"):
        ip_adapter.load(file, unet, CPU)
    (tmp_path / ENCODER).mkdir()
    (tmp_path / ENCODER / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="image_encoder: cannot be read"):
        ip_adapter.load(file, unet, CPU)
    tiny_ip_adapter.write_encoder(tmp_path / ENCODER)
    weights = load_file(tmp_path / ENCODER / "model.safetensors")
    rest, place_of = _without(weights, "visual_"), tmp_path / ENCODER / "model.safetensors"
    save_file(rest, place_of, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"image_encoder: lacks visual_projection\.weight"):
        ip_adapter.load(file, unet, CPU)
    save_file({**weights, "odd": torch.ones(2)}, place_of, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="image_encoder: has weights of another network: odd"):
        ip_adapter.load(file, unet, CPU)
    save_file(weights, place_of, metadata={"format": "pt"})
    save_file({**tiny_ip_adapter.tensors("plain"), "image_proj.odd": torch.ones(2)}, file)
    with pytest.raises(WeightsError, match=r"a\.safetensors: has another image_proj: (?s:.*)odd"):
        ip_adapter.load(file, unet, CPU)
    save_file(tiny_ip_adapter.tensors("plain"), file)
    (tmp_path / "ip-adapter_b.safetensors").write_bytes(file.read_bytes()[:900])
    with pytest.raises(WeightsError, match=r"several: ip-adapter_a\.safetensors, ip-adapter_b"):
        ip_adapter.load(tmp_path, unet, CPU)
    with pytest.raises(WeightsError, match=r"ip-adapter_b\.safetensors: is damaged"):
        ip_adapter.load(tmp_path / "ip-adapter_b.safetensors", unet, CPU)
    with pytest.raises(WeightsError, match=r"none\.safetensors: has no image_encoder/"):
        ip_adapter.load(place / "none.safetensors", unet, CPU)
