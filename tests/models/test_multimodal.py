"""A tiny real LLaVA that answers with one fixed sequence of words, or nonsense."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from synfer_core.errors import WeightsError
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.multimodal import MAX_NEW_TOKENS, MultimodalModel

TEMPLATE = (
    "{% for m in messages %}{% for c in m.content %}"
    "{% if c.type == 'image' %}<image> {% else %}{{ c.text }} {% endif %}"
    "{% endfor %}{% endfor %}answer"
)
GREY = np.full((40, 50, 3), 120, np.uint8)


def write_llava(folder: Path, says: str, *, template: str | None = TEMPLATE) -> Path:
    """A model in which each word has one successor, starting with the last word of the prompt."""
    words = ["<end>", "<unknown>", "<image>", "answer", *says.split()]
    vocabulary = {word: index for index, word in enumerate(words)}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unknown>"))
    core.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        eos_token="<end>",
        unk_token="<unknown>",
        pad_token="<end>",
        additional_special_tokens=["<image>"],
    )
    side = {"height": 16, "width": 16}
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=side),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    net = LlavaForConditionalGeneration(_config(len(words)))
    _chain(net, [vocabulary[word] for word in ["answer", *says.split(), "<end>"]])
    net.save_pretrained(folder)
    return folder


def _config(words: int) -> LlavaConfig:
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        image_size=16, patch_size=8,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=words, hidden_size=32, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=1, max_position_embeddings=4096, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=2, tie_word_embeddings=False
    )


@torch.no_grad()
def _chain(net: LlavaForConditionalGeneration, order: list[int]) -> None:
    """Let attention and MLP add nothing, and the head answer with a word's successor."""
    for name, value in net.named_parameters():
        if "language_model" in name and ("o_proj" in name or "down_proj" in name):
            value.zero_()
    words = net.lm_head.weight.shape[0]
    net.model.language_model.embed_tokens.weight.copy_(torch.eye(words, 32))
    net.lm_head.weight.zero_()
    for word, successor in pairwise(order):
        net.lm_head.weight[successor, word] = 1.0


def test_a_model_from_a_folder_describes_a_picture(tmp_path: Path) -> None:
    folder = write_llava(tmp_path, "raised brows and parted lips")
    model = MultimodalModel.load(str(folder))
    assert model.describe(GREY, "Describe the face.") == "raised brows and parted lips"
    assert model.name == folder.name
    assert model.sha256 == file_sha256(folder / "model.safetensors")


def test_a_model_that_never_ends_is_stopped(tmp_path: Path) -> None:
    model = MultimodalModel.load(str(write_llava(tmp_path, "lip")))
    _chain(model.model, [3, 4, 4])
    assert model.describe(GREY, "x").split() == ["lip"] * MAX_NEW_TOKENS


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = write_llava(tmp_path, "lip")
    weights = load_file(folder / "model.safetensors")
    del weights[next(name for name in weights if name.endswith("lm_head.weight"))]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks .*lm_head"):
        MultimodalModel.load(str(folder))


def test_without_a_chat_template_it_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no chat template"):
        MultimodalModel.load(str(write_llava(tmp_path, "lip", template=None)))


def test_what_is_no_such_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(WeightsError, match="pictures and text") as caught:
        MultimodalModel.load(str(tmp_path))
    assert caught.value.field == str(tmp_path)
