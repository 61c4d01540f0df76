"""An instruction-tuned text model of `transformers`, by path or id, for `enrichment`.

It runs on the CPU and answers greedily, so the same request has the same answer. Only safetensors
are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import torch
from safetensors import SafetensorError

from synfer_core.errors import WeightsError
from synfer_core.models.checkpoints import check_whole, file_sha256

MAX_NEW_TOKENS = 96
"""More than a prompt of 48 tokens needs, whatever the model's own tokenizer."""

GREEDY = MappingProxyType(
    {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
)
"""Arguments of ``generate`` with which the same request has the same answer."""


@contextmanager
def loading(source: str, kind: str) -> Iterator[None]:
    """Around reading a model of `transformers` by folder or id: what fails is said in one line.

    Raises:
        WeightsError: There is none, or it is not of this kind or not in safetensors.
    """
    from transformers.utils import logging

    # They would write over our own output.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(
            f"cannot be loaded as {kind}: {str(error).splitlines()[0][:200]}",
            field=source,
            allowed=f"a folder, or an id on the hub, of {kind} in safetensors",
        ) from error


def pretrained(kind: Any, source: str) -> Any:
    """A model of a class of `transformers`, for use: all of its weights are in the files.

    Raises:
        WeightsError: Some weights are missing, as in the files of another model.
    """
    # Sizes that differ are told, not passed over: they are refused below, in one line.
    model, info = kind.from_pretrained(
        source, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True
    )
    check_whole(info, source, alone=False)
    return model.eval()


def pretrained_sha256(source: str) -> str:
    """SHA-256 of a loaded model's one safetensors file, or over the names and hashes of several."""
    from huggingface_hub import snapshot_download

    folder = Path(source)
    if not folder.is_dir():
        folder = Path(snapshot_download(source, local_files_only=True))
    hashes = {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{name} {value}\n" for name, value in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class LanguageModel:
    """A causal text model with its tokenizer.

    Attributes:
        name: What it is called in notes.
        tokenizer: Of `transformers`; a chat template is used where it has one.
        model: A causal model of `transformers`.
    """

    name: str
    tokenizer: Any
    model: Any

    @classmethod
    def load(cls, source: str) -> Self:
        """Read a model from a folder, or by its id from the hub or its cache.

        Raises:
            WeightsError: There is none, or it is not a causal text model in safetensors.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with loading(source, "a text model"):
            tokenizer = AutoTokenizer.from_pretrained(source)
            model = pretrained(AutoModelForCausalLM, source)
        return cls(Path(source).name, tokenizer, model)

    @torch.no_grad()
    def complete(self, instruction: str, request: str) -> str:
        """The model's greedy answer, at most 96 tokens of its own."""
        batch = self._encode(instruction, request)
        length = batch["input_ids"].shape[1]
        answer = self.model.generate(
            **batch,
            max_new_tokens=MAX_NEW_TOKENS,
            **GREEDY,
            pad_token_id=self._padding(),
        )
        text: str = self.tokenizer.decode(answer[0, length:], skip_special_tokens=True)
        return text

    def _encode(self, instruction: str, request: str) -> Any:
        """(1, n) token ids and mask; one turn of a user, since some templates have no system."""
        if self.tokenizer.chat_template is None:
            return self.tokenizer(f"{instruction}\n\n{request}\nPrompt:", return_tensors="pt")
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{instruction}\n\n{request}"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )

    def _padding(self) -> int | None:
        """Some models have no padding; they end instead."""
        padding: int | None = self.tokenizer.pad_token_id
        return self.tokenizer.eos_token_id if padding is None else padding
