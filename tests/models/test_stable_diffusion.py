"""The whole chain on a Stable Diffusion pipeline in miniature, saved to disk and loaded by path."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from synfer_core import decoding
from synfer_core.decibels import psnr
from synfer_core.editing import reference_of
from synfer_core.errors import RequestError, UnreachableError, UnsupportedError, WeightsError
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import hub, sd_adapter, sd_parts
from synfer_core.models.added import Added
from synfer_core.models.backbone import Generation
from synfer_core.models.memory import Plan
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.report import Progress
from synfer_core.request import Guidance, Recipe
from tests.models import tiny_sd

SMILE = Recipe(backbone="tiny", text="a smiling woman", aus={"AU12": 4.0}, steps=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sd")
    sd_adapter.save(tiny_sd.slot_adapter(), place / "units.safetensors")
    return tiny_sd.write(place / "model").parent


@pytest.fixture(scope="module")
def bare(folder: Path) -> StableDiffusion:
    return StableDiffusion.load(Added("tiny", str(folder / "model")), folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> StableDiffusion:
    added = Added("tiny", str(folder / "model"), folder / "units.safetensors")
    return StableDiffusion.load(added, folder)


def made(model: StableDiffusion, recipe: Recipe) -> Generation:
    *_, result = model.stream(model.check(recipe))
    assert isinstance(result, Generation)
    return result


@pytest.fixture(scope="module")
def smile(model: StableDiffusion) -> Generation:
    return made(model, SMILE)


def test_it_makes_what_the_pipeline_of_diffusers_makes(folder: Path, bare: StableDiffusion) -> None:
    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder / "model", safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    theirs = pipeline(
        "a smiling woman",
        negative_prompt="an old man",
        latents=latents,
        num_inference_steps=4,
        guidance_scale=7.5,
        output_type="pt",
    ).images
    recipe = Recipe(backbone="tiny", text="a smiling woman", negative_text="an old man", seed=5,
                    steps=4, guidance={"text": 7.5})  # fmt: skip
    ours = made(bare, recipe).image
    expected = (theirs[0].permute(1, 2, 0).numpy() * 255).round()
    assert np.abs(ours - expected).max() <= 1


def test_guidance_that_a_recipe_leaves_out_is_the_models_own(bare: StableDiffusion) -> None:
    silent = Recipe(backbone="tiny", text="a smiling woman", steps=2)
    said = silent.model_copy(update={"guidance": Guidance(text=7.5, au=7.5)})
    old = Recipe.parse_json('{"backbone": "tiny", "text": "a smiling woman", "steps": 2, '
                            '"guidance": {"text": 1.0, "au": 1.0}}')  # fmt: skip
    assert bare.check(silent) == bare.check(said)
    assert bare.check(old).guidance.text == 1.0
    usual, same, weak = (made(bare, recipe).image for recipe in (silent, said, old))
    assert (usual == same).all()
    assert (usual != weak).any()


def test_v_prediction_and_noise_prediction_agree_on_v() -> None:
    alpha = torch.tensor([0.7])
    clean, noise = torch.randn(2, 1, 4, 8, 8)
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    expected = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    assert torch.allclose(sd_parts.velocity(noisy, noise, alpha), expected, atol=1e-5)


def test_equal_recipes_give_equal_pixels_and_maps_of_units_and_words(
    model: StableDiffusion, smile: Generation
) -> None:
    first, items = smile, list(model.stream(SMILE))
    again = items[-1]
    assert isinstance(again, Generation)
    assert (first.image == again.image).all()
    assert first.image.shape == (tiny_sd.PIXELS, tiny_sd.PIXELS, 3)
    assert set(first.attention.mass) == {"AU12", "word:0:a", "word:1:smiling", "word:2:woman"}
    steps = [i.step for i in items if isinstance(i, Progress)]
    assert steps == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"text": "an old man"},
        {"aus": {"AU12": 1.0}},
        {"aus": {"AUL12": 4.0}},
        {"aus": {}},
        {"au_scale": 0.5},
        {"seed": 1},
        {"scheduler": "dpm++"},
        {"negative_text": "anger", "guidance": {"text": 3.0}},
        {"guidance": {"text": 7.5, "au": 2.0}},
        {"expression": "happiness"},
    ],
)
def test_every_field_reaches_the_pixels(
    model: StableDiffusion, smile: Generation, change: dict[str, Any]
) -> None:
    changed = Recipe.parse(SMILE.model_dump(exclude_none=True) | change)
    assert (smile.image != made(model, changed).image).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity_seed": 3}, "identity_seed: .*keeps no identity"),
        ({"size": 512}, "size: .*makes no 512 px"),
        ({"reference": "sample:ada", "keep": 1.0}, "keep: .*holds nothing"),
        ({"weights_sha256": "0" * 64}, "weights_sha256"),
        ({"guidance": {"semantic": 1.0}, "expression": "fear"}, "semantic.classifier"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(
    model: StableDiffusion, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        model.check(Recipe.parse(SMILE.model_dump(exclude_none=True) | change))


def test_without_an_adapter_units_are_refused_with_the_reason(bare: StableDiffusion) -> None:
    assert bare.capabilities.aus == ()
    with pytest.raises(UnsupportedError, match=r"aus\.AU12: .*has no AU adapter"):
        bare.check(SMILE)
    assert not bare.capabilities.moves("AU12")


def test_another_models_adapter_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tiny_sd.AUAdapter.for_unet(tiny_sd.unet(96), 96)
    sd_adapter.save(sd_adapter.SDAdapter(other), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="for a U-Net with tokens 96 wide"):
        StableDiffusion.load(
            Added("tiny", str(folder / "model"), tmp_path / "other.safetensors"), folder
        )


def test_too_long_a_text_is_refused(bare: StableDiffusion) -> None:
    with pytest.raises(RequestError, match="text: is 202 tokens long"):
        made(bare, Recipe(backbone="tiny", text="fear " * 200, steps=1))


def test_a_reference_is_inverted_and_comes_back(model: StableDiffusion, smile: Generation) -> None:
    picture = smile.image
    edit = SMILE.model_copy(
        update={"reference": reference_of(picture), "steps": 6, "inversion_depth": 0.5}
    )
    result = made(model, edit)
    assert result.reconstruction_psnr is not None
    # An autoencoder with random weights is itself far from the picture.
    coded = decoding.decode(model.codec, model.codec.encode(decoding.to_tensor(picture[None])))
    assert result.reconstruction_psnr == pytest.approx(psnr(picture, coded), abs=1.0)
    small = reference_of(picture[::2, ::2])
    assert made(model, edit.model_copy(update={"reference": small})).image.shape == picture.shape
    wide = reference_of(picture[:32])
    with pytest.raises(UnsupportedError, match="reference: is 64 x 32 pixels"):
        model.check(edit.model_copy(update={"reference": wide}))


def test_a_classifier_guides_through_the_autoencoder(model: StableDiffusion) -> None:
    class Bright:
        name, sha256, expressions = "bright", "0" * 64, frozenset(EXPRESSIONS)

        def __call__(self, clean: torch.Tensor) -> torch.Tensor:
            light = model.codec.decode(clean).mean((1, 2, 3))
            return torch.stack([light * i for i in range(8)], 1)

    guided = replace(model, readers={"image": Bright()})
    recipe = Recipe.parse(
        SMILE.model_dump(exclude_none=True)
        | {"expression": "anger", "guidance": {"semantic": 8.0},
           "semantic": {"classifier": "image", "first": 0.0, "last": 1.0, "every": 1}}
    )  # fmt: skip
    plain = SMILE.model_copy(update={"expression": "anger"})
    result = made(guided, recipe)
    assert len(result.guidance_curve) == 3
    assert (result.image != made(guided, plain).image).any()
    assert guided.check(recipe).weights_sha256 != guided.check(plain).weights_sha256


def test_sliced_attention_and_half_precision_change_little(folder: Path) -> None:
    added = Added("tiny", str(folder / "model"), folder / "units.safetensors")
    images = [
        made(StableDiffusion.load(added, folder, plan=plan), SMILE).image.astype(int)
        for plan in (
            Plan("float32"),
            Plan("float32", slice_attention=True, tile_decoder=True),
            Plan("bfloat16", offload=True),
        )
    ]
    assert np.abs(images[0] - images[1]).max() <= 1
    assert 0 < np.abs(images[0] - images[2]).mean() < 12


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}, "holds 'FluxPipeline'"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "predicts 'sample'"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "from pure noise"),
        ("unet/config.json", {"in_channels": 9}, "no text-to-image U-Net"),
    ],
)
def test_other_models_are_refused(
    folder: Path, tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    values = json.loads((copy / file).read_text()) | change
    (copy / file).write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=message):
        StableDiffusion.load(Added("tiny", str(copy)), folder, plan=Plan("float32"))


def test_damaged_and_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such folder"):
        StableDiffusion.load(Added("tiny", str(tmp_path / "nothing")), folder)
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="weight file is damaged"):
        StableDiffusion.load(Added("tiny", str(copy)), folder)


@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, one: {k: v for k, v in t.items() if k != one}, "lacks {one}"),
        (lambda t, one: {**t, "odd.weight": torch.ones(2)}, "has weights of another network: odd"),
        (lambda t, one: {**t, one: torch.ones(3)}, "(has other shapes|cannot be read)"),
    ],
    ids=["missing", "unexpected", "mismatched"],
)
def test_weights_that_are_missing_or_of_another_network_are_named(
    folder: Path, tmp_path: Path, part: str, change: Any, message: str
) -> None:
    """A layer that is drawn at random instead would make other pictures under the same hash."""
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    (file,) = (copy / part).glob("*.safetensors")
    tensors = load_file(file)
    one = min(name for name in tensors if name.endswith("norm2.weight"))
    save_file(change(tensors, one), file, metadata={"format": "pt"})
    told = message.format(one=one.removeprefix("text_model."))
    with pytest.raises(WeightsError, match=f"model/{part}: {told}"):
        StableDiffusion.load(Added("tiny", str(copy)), plan=Plan("float32"))


def test_older_names_of_weights_are_read(folder: Path, tmp_path: Path) -> None:
    """The published files have positions in the text encoder and attention of an older spelling."""
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    text = copy / "text_encoder" / "model.safetensors"
    words = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in load_file(text).items()}
    words["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(words, text, metadata={"format": "pt"})
    (file,) = (copy / "vae").glob("*.safetensors")
    spelled = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.",
               ".to_out.0.": ".proj_attn."}  # fmt: skip
    older = {}
    for name, tensor in load_file(file).items():
        new = next((n for n in spelled if n in name), "")
        older[name.replace(new, spelled.get(new, ""))] = tensor
    save_file(older, file, metadata={"format": "pt"})
    models = [StableDiffusion.load(Added("tiny", str(place)), plan=Plan("float32"))
              for place in (folder / "model", copy)]  # fmt: skip
    first, second = (made(one, SMILE.model_copy(update={"aus": {}})).image for one in models)
    assert (first == second).all()


def test_the_hub_is_asked_only_by_name_and_offline_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnreachableError, match="hub:nobody/nothing: cannot be fetched"):
        hub.folder_of("hub:nobody/nothing")
    with pytest.raises(WeightsError, match="no such folder"):
        hub.folder_of("nobody/nothing")
