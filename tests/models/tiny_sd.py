"""A Stable Diffusion pipeline in miniature: the real classes, random weights, saved to disk."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from synfer_core.facs import EXPRESSIONS
from synfer_core.models import lora as loras
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.fineface import AUS, HIDDEN
from synfer_core.models.lora import LORA_FILE, Lora
from synfer_core.models.sd_adapter import ENCODER_FILE, PROCESSORS_FILE, SDAdapter

WIDTH = 80
"""Of text tokens; FineFace's token needs 76."""
PIXELS = 64


def tokenizer() -> CLIPTokenizer:
    """A BPE tokenizer trained on a few words."""
    words = ["a smiling woman", "an old man with a beard", ", ".join(EXPRESSIONS)]
    trained: CLIPTokenizer = CLIPTokenizer().train_new_from_iterator(words * 4, vocab_size=420)
    trained.model_max_length = 77
    return trained


def unet(width: int = WIDTH) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def pipeline(prediction: str = "epsilon") -> StableDiffusionPipeline:
    torch.manual_seed(0)
    tokens = tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 16),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=PIXELS,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )
    parts = (vae, CLIPTextModel(text), tokens, unet(), scheduler, None, None)
    return StableDiffusionPipeline(*parts, requires_safety_checker=False)


def write(folder: Path, prediction: str = "epsilon") -> Path:
    """A model as `diffusers` saves it."""
    pipeline(prediction).save_pretrained(folder, safe_serialization=True)
    return folder


def slot_adapter(lora: Lora | None = None) -> SDAdapter:
    """An adapter of our own kind whose every layer does something."""
    torch.manual_seed(1)
    units = AUAdapter.for_unet(unet(), WIDTH).eval()
    for value in units.values:
        torch.nn.init.normal_(value.weight, std=0.2)
    return SDAdapter(units, lora or Lora())


def lora(rank: int = 2) -> dict[str, torch.Tensor]:
    """A LoRA of every attention layer, with random numbers."""
    generator = torch.Generator().manual_seed(2)
    found = {}
    for name, module in unet().named_modules():
        if name.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")):
            down = torch.randn(rank, module.in_features, generator=generator) * 0.2
            up = torch.randn(module.out_features, rank, generator=generator) * 0.2
            found |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    return found


def write_fineface(folder: Path) -> Path:
    """FineFace's three files with random numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    encoder = {
        "au_encoder.weight": torch.randn(HIDDEN, len(AUS)) * 0.2,
        "au_encoder.bias": torch.randn(HIDDEN) * 0.1,
    }
    processors = {}
    for name, width in slot_adapter().units.config.layers:
        for part in ("au_to_k", "au_to_v"):
            processors[f"{name}.{part}.weight"] = torch.randn(width, WIDTH) * 0.2
    torch.save(encoder, folder / ENCODER_FILE)
    torch.save(processors, folder / PROCESSORS_FILE)
    loras.save(lora(), folder / LORA_FILE)
    return folder
