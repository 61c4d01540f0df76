"""Any image classifier of `transformers` in the place of ours, its classes mapped to expressions.

Its own preprocessing is repeated on tensors, so that gradients flow back to the pixels: resize,
crop, and normalise as its image processor says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.errors import ModelError, RequestError, WeightsError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.models import checkpoints

Labels = Mapping[str, Expression | None]
"""A classifier's own class names: the expression that each means, or None for one of no use."""

USUAL_NAMES: Labels = MappingProxyType(
    {name: name for name in EXPRESSIONS}
    | {
        "happy": "happiness",
        "joy": "happiness",
        "sad": "sadness",
        "surprised": "surprise",
        "fearful": "fear",
        "disgusted": "disgust",
        "angry": "anger",
        "contemptuous": "contempt",
    }
)
"""What the classes of public classifiers of faces are called, in lower case."""


Meanings = tuple[Expression | None, ...]
"""For each class of a classifier the expression that it means, or None."""


@dataclass(frozen=True)
class Preparation:
    """What is done to an image before the network sees it.

    Attributes:
        size: Pixels on a side after resizing.
        crop: Pixels on a side of the middle that is kept.
        mean, deviation: Of each channel, on a 0-1 scale.
    """

    size: int
    crop: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in -1 to 1 as the network wants them."""
        resized = F.interpolate(
            (images + 1) / 2, (self.size, self.size), mode="bilinear", antialias=True
        )
        margin = (self.size - self.crop) // 2
        middle = resized[..., margin : margin + self.crop, margin : margin + self.crop]
        mean, deviation = (middle.new_tensor(v)[:, None, None] for v in (self.mean, self.deviation))
        return (middle - mean) / deviation


class ImageClassifier(nn.Module):
    """A classifier of `transformers` that answers in our eight expressions.

    Args:
        net: The network; called with ``pixel_values``, it answers with ``logits``.
        prepare: Its preprocessing.
        meanings: For each of its classes the expression that it means, or None.
    """

    def __init__(self, net: nn.Module, prepare: Preparation, meanings: Meanings):
        super().__init__()
        self.net = net
        self.prepare = prepare
        self.meanings = meanings

    @property
    def expressions(self) -> frozenset[Expression]:
        """The expressions that it tells apart."""
        return frozenset(name for name in self.meanings if name is not None)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (B, 8) of images (B, 3, S, S) in -1 to 1, before normalisation.

        Several classes of one expression add up; one of no use takes no part; minus infinity stands
        for an expression without a class.

        Raises:
            ModelError: The network answers with another number of classes than it names.
        """
        logits: Tensor = self.net(pixel_values=self.prepare(images)).logits
        return by_expression(logits, self.meanings, len(images), type(self.net).__name__)

    def sha256(self) -> str:
        """Hash over weights, preprocessing and meanings."""
        settings = json.dumps([vars(self.prepare), self.meanings])
        digest = hashlib.sha256(settings.encode())
        for name, tensor in sorted(self.net.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def by_expression(logits: Tensor, meanings: Meanings, count: int, field: str) -> Tensor:
    """Logits of a classifier's own classes as log-probabilities (B, 8), not normalised.

    Several classes of one expression add up; one of no use takes no part; minus infinity stands
    for an expression without a class.

    Args:
        logits: (B, classes).
        meanings: For each of its classes the expression that it means, or None.
        count: B.
        field: What an error calls the classifier.

    Raises:
        ModelError: There is another number of classes or images.
    """
    if logits.shape != (count, len(meanings)):
        raise ModelError(
            f"answers with the shape {tuple(logits.shape)}",
            field=field,
            allowed=f"{len(meanings)} classes, as many as it names",
        )
    return torch.stack([_sum(logits, meanings, name) for name in EXPRESSIONS], 1)


def _sum(logits: Tensor, meanings: Meanings, name: Expression) -> Tensor:
    columns = [i for i, meaning in enumerate(meanings) if meaning == name]
    if not columns:
        return logits.new_full((len(logits),), -torch.inf)
    return logits[:, columns].logsumexp(1)


def load(where: str, labels: Labels | None = None) -> ImageClassifier:
    """A classifier by folder or hub id, in evaluation mode; only safetensors are read.

    Args:
        where: A folder, or an id on the hub.
        labels: What its classes mean; None takes `USUAL_NAMES`.

    Raises:
        WeightsError: There is no such classifier, it lacks weights, or its image processor is not
            understood.
        RequestError: A class has no meaning.
    """
    from transformers import AutoModelForImageClassification

    try:
        net, told = AutoModelForImageClassification.from_pretrained(
            where, use_safetensors=True, output_loading_info=True
        )
        prepare = read_preparation(where)
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"no image classifier can be read: {error}", field=where, allowed="a folder or hub id"
        ) from error
    checkpoints.check_whole(told, where, alone=False)
    names = [str(net.config.id2label[i]) for i in range(net.config.num_labels)]
    found = ImageClassifier(net, prepare, meanings(names, labels))
    return found.eval().requires_grad_(False)


def meanings(names: list[str], labels: Labels | None) -> Meanings:
    """What classes of these names mean.

    Args:
        names: Of a classifier's classes, in order.
        labels: What they mean; None takes `USUAL_NAMES`, whatever their case.

    Raises:
        RequestError: A class has no meaning.
    """
    given = USUAL_NAMES if labels is None else labels
    keys = [name.lower() if labels is None else name for name in names]
    unknown = [name for name, key in zip(names, keys, strict=True) if key not in given]
    if unknown:
        raise RequestError(
            f"says nothing of the class {unknown[0]!r}",
            field="labels",
            allowed=f"each of {', '.join(names)} as one of {', '.join(EXPRESSIONS)}, or null",
        )
    return tuple(given[key] for key in keys)


def read_preparation(where: str) -> Preparation:
    """What a folder's or hub id's ``preprocessor_config.json`` says.

    Raises:
        WeightsError: There is none, or it resizes in a way that is not known here.
    """
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            where, backend="pil"
        )
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"no image processor can be read: {error}",
            field=where,
            allowed="preprocessor_config.json with image_processor_type, size, mean and std",
        ) from error
    return _preparation(processor, where)


def _preparation(processor: Any, where: str) -> Preparation:
    size = _side(processor.size)
    if size is None:
        raise WeightsError("resizes in a way that is not known here", field=where)
    crop = _side(processor.crop_size) if getattr(processor, "do_center_crop", False) else size
    return Preparation(
        size=size,
        crop=min(crop or size, size),
        mean=tuple(processor.image_mean) if processor.do_normalize else (0.0, 0.0, 0.0),
        deviation=tuple(processor.image_std) if processor.do_normalize else (1.0, 1.0, 1.0),
    )


def _side(size: Any) -> int | None:
    """Pixels on a side, of what transformers calls a size; faces are square."""
    values = dict(size) if size is not None else {}
    return cast("int | None", values.get("height", values.get("shortest_edge")))


def read_labels(text: str | bytes, field: str) -> Labels:
    """A label map from JSON, such as ``{"happy": "happiness", "other": null}``.

    Raises:
        RequestError: It is no such object.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise RequestError(f"not valid JSON: {error}", field=field) from error
    allowed = (*EXPRESSIONS, None)
    if not isinstance(values, dict) or any(v not in allowed for v in values.values()):
        raise RequestError(
            "is no label map", field=field, allowed=f"names to {', '.join(EXPRESSIONS)} or null"
        )
    return values
