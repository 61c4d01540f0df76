"""An instruction-tuned text model of `transformers`, by path or id, for `enrichment`.

It runs on the CPU and answers greedily, so the same request has the same answer. Only safetensors
are read, and no code that comes with a model is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError

from synfer_core.errors import WeightsError

MAX_NEW_TOKENS = 96
"""More than a prompt of 48 tokens needs, whatever the model's own tokenizer."""


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
        from transformers.utils import logging

        # It would draw over our own output.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            tokenizer = AutoTokenizer.from_pretrained(source)
            model: Any = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True)
        except (OSError, ValueError, SafetensorError) as error:
            raise WeightsError(
                f"cannot be loaded as a text model: {str(error).splitlines()[0][:200]}",
                field=source,
                allowed="a folder, or an id on the hub, of a causal text model in safetensors",
            ) from error
        return cls(Path(source).name, tokenizer, model.eval())

    @torch.no_grad()
    def complete(self, instruction: str, request: str) -> str:
        """The model's greedy answer, at most 96 tokens of its own."""
        batch = self._encode(instruction, request)
        length = batch["input_ids"].shape[1]
        answer = self.model.generate(
            **batch,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
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
