"""LoRA in every layout that is taken: the pictures are those of diffusers' own pipeline."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from synfer_core.errors import WeightsError
from synfer_core.models import lora
from synfer_core.models.added import Added
from synfer_core.models.lora import LORA_FILE, Lora
from synfer_core.models.memory import Plan
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.request import Recipe
from tests.models import tiny_sd
from tests.models.test_stable_diffusion import made

RANK, ALPHA = 4, 16
WORDS = "a smiling woman"
RECIPE = Recipe(backbone="tiny", text=WORDS, seed=5, steps=2, guidance={"text": 3.0})  # type: ignore[arg-type]
UNET = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.2", "conv1"]
TEXT = ["q_proj", "out_proj", "fc1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sd.write(tmp_path_factory.mktemp("lora") / "model")


def pipeline(model: Path) -> Any:
    """A pipeline of its own, for it will be changed; read from the disk but once."""
    return copy.deepcopy(_read(model))


@cache
def _read(model: Path) -> Any:
    pipe: Any = StableDiffusionPipeline.from_pretrained(model, safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="trailing", set_alpha_to_one=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def theirs(pipe: Any) -> np.ndarray:
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    made = pipe(WORDS, latents=latents, num_inference_steps=2, guidance_scale=3.0, output_type="pt")
    return (made.images[0].permute(1, 2, 0).numpy() * 255).round()


def scales_of(*parts: torch.nn.Module) -> set[float]:
    """At which scales LoRA layers act."""
    found = [getattr(module, "scaling", None) for part in parts for module in part.modules()]
    return {scale for one in found if isinstance(one, dict) for scale in one.values()}


def learned(module: Any, layers: list[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A LoRA of a module with random numbers, and its settings."""
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=layers)
    inject_adapter_in_model(config, module)
    generator = torch.Generator().manual_seed(3)
    state = {
        name: 0.05 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in get_peft_model_state_dict(module, adapter_name="default").items()
    }
    told = config.to_dict() | {"target_modules": sorted(layers)}
    return state, told


def diffusers_whole(model: Path, folder: Path, *, told: bool = True, text: bool = False) -> Path:
    """As a pipeline of diffusers saves it, with what it tells of alpha and rank, or without."""
    pipe = pipeline(model)
    unet, of_unet = learned(pipe.unet, UNET)
    words, of_words = learned(pipe.text_encoder, TEXT)
    pipe.save_lora_weights(
        folder,
        unet_lora_layers=unet,
        text_encoder_lora_layers=words if text else None,
        unet_lora_adapter_metadata=of_unet if told else None,
        text_encoder_lora_adapter_metadata=of_words if told and text else None,
    )
    return folder / LORA_FILE


def diffusers_older(model: Path, folder: Path) -> Path:
    """As diffusers spelled it before it had peft, text encoder and all."""
    new = load_file(diffusers_whole(model, folder, told=False, text=True))
    spelled = {".lora_A.weight": ".lora.down.weight", ".lora_B.weight": ".lora.up.weight"}
    worded = {k: v.replace(".lora.", ".lora_linear_layer.") for k, v in spelled.items()}
    old = {}
    for name, tensor in new.items():
        pairs = worded if name.startswith("text_encoder") else spelled
        old[re.sub(r"\.lora_[AB]\.weight", lambda m, p=pairs: p[m[0]], name)] = tensor
    save_file(old, folder / LORA_FILE)
    return folder / LORA_FILE


def kohya(model: Path, folder: Path, alpha: Callable[[str], float] = lambda _: ALPHA) -> Path:
    """As kohya's sd-scripts writes it: an alpha beside each layer."""
    pipe = pipeline(model)
    tensors = {}
    for prefix, module, layers in (
        ("lora_unet", pipe.unet, UNET),
        ("lora_te_text_model", pipe.text_encoder, TEXT),
    ):
        for name, tensor in learned(module, layers)[0].items():
            layer, half, _ = name.rsplit(".", 2)
            key = f"{prefix}_{layer.replace('.', '_')}"
            tensors[f"{key}.{'lora_down' if half == 'lora_A' else 'lora_up'}.weight"] = tensor
            tensors[f"{key}.alpha"] = torch.tensor(float(alpha(layer)))
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "kohya.safetensors")
    return folder / "kohya.safetensors"


def through_pipeline(pipe: Any, file: Path) -> None:
    pipe.load_lora_weights(str(file))


def diffusers_unet(model: Path, folder: Path) -> Path:
    """As a U-Net of diffusers saves its own."""
    unet = pipeline(model).unet
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=UNET))
    _fill(unet)
    unet.save_lora_adapter(folder)
    return folder / LORA_FILE


def into_unet(pipe: Any, file: Path) -> None:
    # Without being told so it takes the file for a pickle, and leaves the metadata out.
    pipe.unet.load_lora_adapter(str(file), prefix=None, use_safetensors=True)


def peft_unet(model: Path, folder: Path) -> Path:
    """As peft saves it, the alpha in a file of its own."""
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=UNET, use_rslora=True)
    whole = PeftModel(pipeline(model).unet, config)
    _fill(whole)
    whole.save_pretrained(folder)
    return folder / "adapter_model.safetensors"


def by_peft(pipe: Any, file: Path) -> None:
    PeftModel.from_pretrained(pipe.unet, file.parent)


def _fill(module: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if "lora_" in name:
                tensor.copy_(0.05 * torch.randn(tensor.shape, generator=generator))


LAYOUTS: dict[str, tuple[Callable[[Path, Path], Path], Callable[[Any, Path], None], float]] = {
    "diffusers with metadata": (
        lambda m, f: diffusers_whole(m, f, text=True), through_pipeline, 4.0),
    "diffusers without": (
        lambda m, f: diffusers_whole(m, f, told=False, text=True), through_pipeline, 1.0),
    "diffusers, U-Net alone": (diffusers_whole, through_pipeline, 4.0),
    "diffusers, older": (diffusers_older, through_pipeline, 1.0),
    "kohya": (kohya, through_pipeline, 4.0),
    "diffusers' U-Net": (diffusers_unet, into_unet, 4.0),
    "peft, with the root of the rank": (peft_unet, by_peft, 8.0),
}  # fmt: skip
"""What writes each, what of diffusers or peft reads it, and the scale: alpha 16 over rank 4."""


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_makes_what_the_pipeline_of_diffusers_makes(
    layout: str, model: Path, tmp_path: Path
) -> None:
    write, load, scale = LAYOUTS[layout]
    file = write(model, tmp_path / "files")
    pipe = pipeline(model)
    plain = theirs(pipe)
    load(pipe, file)
    expected = theirs(pipe)
    assert np.abs(expected - plain).mean() > 2
    ours = StableDiffusion.load(Added("tiny", str(model), lora=file), plan=Plan("float32"))
    assert scales_of(ours.denoiser.unet, ours.parts.text.encoder) == {scale}
    assert np.abs(made(ours, RECIPE).image - expected).max() <= 1


def test_alphas_that_differ_are_read_right_or_refused(model: Path, tmp_path: Path) -> None:
    """Never a layer at another's scale: the loaders take some such files for one alpha."""
    ways: dict[str, Callable[[str], float]] = {
        "convolutions": lambda layer: 4.0 if "conv" in layer else 16.0,
        "keys": lambda layer: 4.0 if "to_k" in layer else 16.0,
        "words": lambda layer: 4.0 if "q_proj" in layer else 16.0,
    }
    found = {}
    for name, alpha in ways.items():
        read, _ = lora.read(kohya(model, tmp_path / name, alpha))
        pipe = pipeline(model)
        try:
            lora.put(read, "one", pipe.unet, pipe.text_encoder)
        except WeightsError as error:
            found[name] = error.message
            continue
        found[name] = "read"
        for part in (pipe.unet, pipe.text_encoder):
            for layer, module in part.named_modules():
                if getattr(module, "scaling", None):
                    assert module.scaling["one"] == alpha(layer) / RANK, layer
    assert found["convolutions"] == "read"
    assert "is scaled by 1 in its file, and diffusers reads 4" in found["keys"]
    assert "is scaled by 1 in its file, and diffusers reads 4" in found["words"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["unet.mid_block.to_q.weight"], "no part of a LoRA that is read here"),
        (["mid_block.attn1.processor.to_q_lora.down.weight"], "no part of a LoRA that is read"),
        (["lora_unet_mid_to_q.hada_w1_a"], "LyCORIS"),
        (["lora_unet_mid_to_q.lora_down.weight", "lora_unet_mid_to_q.dora_scale"], "DoRA"),
        (["lora_te2_text_model_fc1.lora_down.weight"], "Stable Diffusion XL"),
        (["transformer.blocks.0.to_q.lora_A.weight"], "another model"),
        (["unet.mid.to_q.lora_A.weight", "unet.mid.to_q.lora_B.bias"], "with biases"),
        (["unet.mid.to_q.lora_A.weight", "more"], "more is no part"),
        (["base_model.model.mid.to_q.lora_A.weight"], "has no adapter_config.json beside it"),
        (["lora_unet_mid_to_q.lora_down.weight"], "cannot be read"),
    ],
)  # fmt: skip
def test_any_other_layout_is_refused_by_name(
    tmp_path: Path, names: list[str], message: str
) -> None:
    save_file({name: torch.ones(2, 2) for name in names}, tmp_path / "some.safetensors")
    with pytest.raises(WeightsError, match=rf"some\.safetensors: .*{message}"):
        lora.read(tmp_path / "some.safetensors")


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    save_file({}, tmp_path / "empty.safetensors")
    odd = {"lora_adapter_metadata": "[1]"}
    save_file({"unet.a.lora_A.weight": torch.ones(2)}, tmp_path / "odd.safetensors", odd)
    for name in ("none", "cut", "empty", "odd"):
        with pytest.raises(WeightsError, match=name):
            lora.read(tmp_path / f"{name}.safetensors")


LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def of_layer(layer: str = LAYER, rank: int = 2, width: int = 64, out: int = 64) -> Lora:
    down, up = torch.ones(rank, width), torch.ones(out, rank)
    return Lora.of_unet({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up})


def test_what_does_not_fit_is_refused() -> None:
    half = {f"{LAYER}.lora_A.weight": torch.ones(2, 64)}
    told = {"unet.target_modules": [LAYER], "unet.r": 4, "unet.lora_alpha": 16}
    wrong = {
        "takes no": of_layer(width=5),
        r"nowhere\.to_q is no layer": of_layer("nowhere.to_q"),
        "half a LoRA": Lora.of_unet(half),
        "cannot be put in: .*size mismatch": Lora(of_layer().tensors, metadata=told),
        "cannot be put in": Lora(of_layer().tensors, metadata={"unet.nothing": 1}),
    }
    for message, one in wrong.items():
        with pytest.raises(WeightsError, match=message):
            lora.put(one, "one", tiny_sd.unet())
    with pytest.raises(WeightsError, match="changes the text encoder"):
        lora.put(Lora({"text_encoder.a.lora_A.weight": torch.ones(2, 2)}), "one", tiny_sd.unet())


def test_peft_without_a_lora_is_refused(model: Path, tmp_path: Path) -> None:
    file = peft_unet(model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "LOHA"}))
    with pytest.raises(WeightsError, match="not about a LoRA"):
        lora.read(file)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(WeightsError, match="use_dora"):
        lora.read(file)


def test_it_leaves_unet_and_text_encoder_as_they_were(model: Path, tmp_path: Path) -> None:
    read, _ = lora.read(diffusers_whole(model, tmp_path, text=True))
    pipe = pipeline(model)
    parts = (pipe.unet, pipe.text_encoder)
    before = [{n: t.clone() for n, t in part.state_dict().items()} for part in parts]
    plain = theirs(pipe)
    lora.put(read, "one", *parts)
    assert (theirs(pipe) != plain).any()
    lora.take(read, "one", *parts)
    assert (theirs(pipe) == plain).all()
    for part, old in zip(parts, before, strict=True):
        assert dict.fromkeys(old, True) == {n: torch.equal(t, old[n]) for n, t in
                                          part.state_dict().items()}  # fmt: skip
