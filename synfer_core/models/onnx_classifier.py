"""Any image classifier in ONNX, its classes mapped to expressions; needs the package onnxruntime.

A folder as `optimum-cli export onnx` writes it: one ``.onnx`` file, ``config.json`` with the names
of the classes (``id2label``) and ``preprocessor_config.json`` with size, mean and deviation. For a
model from elsewhere the two JSON files are written by hand (docs/experts.md).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synfer_core.errors import DependencyError, ModelError, WeightsError
from synfer_core.facs import Expression
from synfer_core.files import read_text_bytes
from synfer_core.models import image_classifier
from synfer_core.models.image_classifier import Labels, Preparation

_PROVIDERS = ["CPUExecutionProvider"]
_EXTRA = "the package onnxruntime: pip install 'synfer-studio[onnx]'"


@dataclass(frozen=True)
class OnnxClassifier:
    """A classifier that runs in onnxruntime.

    Attributes:
        session: An `onnxruntime.InferenceSession` with one input.
        prepare: Its preprocessing.
        meanings: For each of its classes the expression that it means, or None.
        sha256: Hash over the file, preprocessing and meanings.
        name: Its file, for errors.
    """

    session: Any
    prepare: Preparation
    meanings: tuple[Expression | None, ...]
    sha256: str
    name: str

    @property
    def expressions(self) -> frozenset[Expression]:
        """The expressions that it tells apart."""
        return frozenset(name for name in self.meanings if name is not None)

    def __call__(self, images: Tensor) -> Tensor:
        """Log-probabilities (B, 8), before normalisation, of images (B, 3, S, S) in -1 to 1.

        Raises:
            ModelError: It refuses what its preprocessing gives, or answers with another number of
                classes than it names.
        """
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        entry = self.session.get_inputs()[0].name
        pixels = self.prepare(images).contiguous().numpy().astype(np.float32)
        try:
            logits = self.session.run(None, {entry: pixels})[0]
        except (errors.InvalidArgument, errors.Fail, errors.RuntimeException) as error:
            raise ModelError(
                f"refuses images of {pixels.shape[1:]}: {_first_line(error)}", field=self.name
            ) from error
        return image_classifier.by_expression(
            torch.from_numpy(np.asarray(logits)), self.meanings, len(images), self.name
        )


def is_onnx(where: str) -> bool:
    """Whether a place is a folder with an ``.onnx`` file."""
    return any(Path(where).glob("*.onnx"))


def load(folder: Path, labels: Labels | None = None) -> OnnxClassifier:
    """A classifier from its folder.

    Args:
        folder: With one ``.onnx`` file, ``config.json`` and ``preprocessor_config.json``.
        labels: What its classes mean; None takes `image_classifier.USUAL_NAMES`.

    Raises:
        DependencyError: onnxruntime is not installed.
        WeightsError: A file is missing or damaged, or the model has more than one input.
        RequestError: A class has no meaning.
    """
    paths = sorted(folder.glob("*.onnx"))
    if len(paths) != 1:
        raise WeightsError(
            f"has {len(paths)} ONNX files", field=str(folder), allowed="one .onnx file"
        )
    names = _class_names(folder / "config.json")
    prepare = image_classifier.read_preparation(str(folder))
    meanings = image_classifier.meanings(names, labels)
    digest = hashlib.sha256(paths[0].read_bytes())
    digest.update(json.dumps([vars(prepare), meanings]).encode())
    return OnnxClassifier(_session(paths[0]), prepare, meanings, digest.hexdigest(), paths[0].name)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    except ImportError as error:
        raise DependencyError("is an ONNX model", field=path.name, allowed=_EXTRA) from error
    damage = (errors.InvalidProtobuf, errors.InvalidGraph, errors.Fail, errors.NotImplemented)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=_PROVIDERS)
    except damage as error:
        raise WeightsError(f"cannot be read: {_first_line(error)}", field=path.name) from error
    if len(session.get_inputs()) != 1:
        raise WeightsError(
            f"has {len(session.get_inputs())} inputs", field=path.name, allowed="images alone"
        )
    return session


def _class_names(path: Path) -> list[str]:
    allowed = '"id2label": {"0": "neutral", ...} with the numbers 0 to n - 1'
    try:
        found = json.loads(read_text_bytes(path, path.name))["id2label"]
        return [str(found[str(i)]) for i in range(len(found))]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError("names no classes", field=path.name, allowed=allowed) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
