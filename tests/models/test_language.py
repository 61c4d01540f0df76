"""A tiny real text model: it says one fixed sequence of words, or nonsense."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from synfer_core.cli import main
from synfer_core.enrichment import GRAMMAR, enrich
from synfer_core.errors import WeightsError
from synfer_core.models.language import MAX_NEW_TOKENS, LanguageModel

ANSWER = "man happily smiling lip corners pulled up strongly cheeks raised"
TEMPLATE = "{% for m in messages %}user {{ m.content }}{% endfor %} answer"


def write_model(folder: Path, *, template: str | None, says: str) -> Path:
    """A model in which each word has one successor, starting with the last word of the prompt."""
    words = ["<end>", "<unknown>", "user", "answer", "Prompt", ":", *says.split()]
    vocabulary = {word: index for index, word in enumerate(words)}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unknown>"))
    core.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, eos_token="<end>", unk_token="<unknown>"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    count = len(words)
    config = GPT2Config(
        vocab_size=count, n_positions=2048, n_embd=32, n_layer=1, n_head=1,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    net = GPT2LMHeadModel(config)
    chain(net, [vocabulary[w] for w in ["answer" if template else ":", *says.split(), "<end>"]])
    net.save_pretrained(folder)
    return folder


@torch.no_grad()
def chain(net: GPT2LMHeadModel, order: list[int]) -> None:
    """Let attention and MLP pass the word on, and the head answer with its successor."""
    for name, value in net.named_parameters():
        if "c_proj" in name or "wpe" in name:
            value.zero_()
    net.transformer.wte.weight.copy_(torch.eye(net.config.vocab_size, 32) * 10)
    net.lm_head.weight.zero_()
    for word, successor in pairwise(order):
        net.lm_head.weight[successor, word] = 1.0


@pytest.mark.parametrize("template", [TEMPLATE, None])
def test_a_model_from_a_folder_writes_the_prompt(tmp_path: Path, template: str | None) -> None:
    model = LanguageModel.load(str(write_model(tmp_path, template=template, says=ANSWER)))
    made = enrich("a man", expression="happiness", writer=model)
    assert made.text == ANSWER
    assert made.writer == model.name == tmp_path.name
    assert made.notes == ()


def test_nonsense_is_not_used_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path, template=TEMPLATE, says="green ideas sleep")
    assert main(["enrich", "a man", "--expression", "anger", "--model", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("a man, with an expression of anger, brows lowered strongly")
    assert "nothing of the face's movement" in captured.err
    assert GRAMMAR in captured.err


def test_a_model_that_never_ends_is_stopped(tmp_path: Path) -> None:
    folder = write_model(tmp_path, template=TEMPLATE, says="lip")
    model = LanguageModel.load(str(folder))
    chain(model.model, [3, 6, 6])
    assert model.complete("instruction", "request").split() == ["lip"] * MAX_NEW_TOKENS


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "vit"}'])
def test_what_is_no_text_model_is_refused(
    tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "model"
    if content is not None:
        folder.mkdir()
        (folder / "config.json").write_text(content)
    with pytest.raises(WeightsError) as caught:
        LanguageModel.load(str(folder))
    assert caught.value.field == str(folder)
