"""A multimodal model of `transformers`, by path or id, that says what a picture shows.

LLaVA (Liu et al. 2023, https://arxiv.org/abs/2304.08485), ShareGPT4V (Chen et al. 2023,
https://arxiv.org/abs/2311.12793) and their like. It answers greedily, one picture at a time, so
that the same picture has the same answer. Only safetensors are read, and no code that comes with a
model is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import WeightsError
from synfer_core.models.language import GREEDY, loading, pretrained, pretrained_sha256

MAX_NEW_TOKENS = 160
"""More than a caption of 60 words needs."""


@dataclass(frozen=True)
class MultimodalModel:
    """A model that reads pictures, with its processor.

    Attributes:
        name: What records call it.
        sha256: Of its weights.
        processor: Of `transformers`, with a chat template.
        model: Of ``AutoModelForImageTextToText``.
    """

    name: str
    sha256: str
    processor: Any
    model: Any

    @classmethod
    def load(cls, source: str, device: str = "cpu") -> Self:
        """Read a model from a folder, or by its id from the hub or its cache.

        Raises:
            WeightsError: There is none, or it takes no pictures or no turns of a conversation.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        with loading(source, "a model of pictures and text"):
            processor: Any = AutoProcessor.from_pretrained(source)  # type: ignore[no-untyped-call]
            model = pretrained(AutoModelForImageTextToText, source)
        if getattr(processor, "chat_template", None) is None:
            raise WeightsError("has no chat template", field=source, allowed="one that has")
        return cls(Path(source).name, pretrained_sha256(source), processor, model.to(device))

    @torch.inference_mode()
    def describe(self, image: NDArray[np.uint8], instruction: str) -> str:
        """The model's greedy answer to an image (H, W, 3) and an instruction."""
        content = [
            {"type": "image", "image": Image.fromarray(image)},
            {"type": "text", "text": instruction},
        ]
        batch = self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.model.device, self.model.dtype)
        answer = self.model.generate(
            **batch,
            max_new_tokens=MAX_NEW_TOKENS,
            **GREEDY,
        )
        text: str = self.processor.decode(
            answer[0, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return text
