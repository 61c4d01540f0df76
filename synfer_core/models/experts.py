"""Experts: recognisers that vote beside FERAnno, behind one small interface.

SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865, Figure 3) sets recognisers trained by
others beside FERAnno. Here an expert is a name, a hash and a function from images to probabilities;
what it answers is checked each time. The judges of `synfer eval` are never among them, since they
say how well the experts do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from synfer_core.calibration import FERAnnoReader
from synfer_core.decoding import to_tensor
from synfer_core.errors import ModelError, RequestError, WeightsError
from synfer_core.faces import blendshapes
from synfer_core.faces.landmarks import MODEL_SHA256, Landmarker, shared_landmarker
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, slots_of
from synfer_core.models import au_rules, classifier, image_classifier, onnx_classifier
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.classifier import Classifier
from synfer_core.models.image_classifier import ImageClassifier, Labels
from synfer_core.models.onnx_classifier import OnnxClassifier

Images = NDArray[np.uint8]
Kind = Literal["feranno", "classifier", "au-rules", "mediapipe-rules", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FILES: Mapping[Kind, str] = {
    "feranno": "feranno.safetensors",
    "classifier": "classifier.safetensors",
    "au-rules": "au-reader.safetensors",
}
"""Experts that a folder of weights brings along, and the file that each needs."""

_BATCH = 32
_SUM_ERROR = 1e-3


@dataclass(frozen=True)
class Expert:
    """A recogniser of expressions.

    Attributes:
        name: What it is called in verdicts.
        sha256: Hash over all that decides its answers.
        read: Images (N, S, S, 3) in the built-in model's crop to probabilities (N, 8).
    """

    name: str
    sha256: str
    read: Callable[[Images], NDArray[np.floating]]

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Probabilities (N, 8) of the expressions, `facs.EXPRESSIONS` order.

        Raises:
            ModelError: Its answer has another shape, is no number, or is no distribution.
        """
        return checked(self.name, self.read(images), len(images))


def checked(name: str, answer: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    """The answer of the expert of this name on `count` images.

    Raises:
        ModelError: It is not (count, 8), or not made of probabilities that sum to 1.
    """
    if answer.shape != (count, len(EXPRESSIONS)):
        raise ModelError(
            f"answers with the shape {answer.shape}",
            field=name,
            allowed=f"{len(EXPRESSIONS)} classes for each of {count} images",
        )
    if not np.isfinite(answer).all():
        raise ModelError("answers with what is not a number", field=name, allowed="0 to 1")
    if answer.min() < 0 or np.abs(answer.sum(1) - 1).max() > _SUM_ERROR:
        raise ModelError("answers with no distribution", field=name, allowed="0 to 1, in all 1")
    return answer.astype(np.float32)


def shipped(
    folder: Path, reader: FERAnnoReader | None, aus: Classifier | None
) -> dict[str, Expert]:
    """The experts that a folder of weights brings along, by kind; FERAnno comes first.

    Args:
        folder: The weights.
        reader: FERAnno of this folder, where it has one.
        aus: The AU reader of this folder, where it has one.

    Raises:
        WeightsError: The classifier's file is damaged.
    """
    found: dict[str, Expert] = {}
    if reader is not None:
        found["feranno"] = feranno(reader, file_sha256(folder / FILES["feranno"]))
    if (folder / FILES["classifier"]).exists():
        found["classifier"] = our_classifier(folder / FILES["classifier"])
    if aus is not None:
        found["au-rules"] = rules(aus, file_sha256(folder / FILES["au-rules"]))
    return found


def feranno(reader: FERAnnoReader, sha256: str) -> Expert:
    """FERAnno, the built-in expert; `sha256` is its file's."""
    return Expert("feranno", sha256, reader.probabilities)


def our_classifier(path: Path) -> Expert:
    """The image network of ours that guidance may follow; a judge's weights are refused.

    Raises:
        WeightsError: The file is missing, damaged, of another kind, or reads no expressions.
    """
    net, sha256 = classifier.load(path, "classifier")
    if net.expressions is None:
        raise WeightsError("reads no expressions", field=path.name)
    return Expert("classifier", sha256, partial(classifier.probabilities, net))


def rules(net: Classifier, sha256: str) -> Expert:
    """The AU reader's action units, judged by the prototypes (`au_rules`).

    Args:
        net: The AU reader.
        sha256: Of its file.
    """
    return Expert("au-rules", au_rules.fingerprint(sha256), partial(_by_rules, net))


def _by_rules(net: Classifier, images: Images) -> NDArray[np.float32]:
    return au_rules.probabilities(classifier.intensities(net, images))


def mediapipe_rules(landmarker: Landmarker | None = None) -> Expert:
    """MediaPipe's action units, as far as one image tells them, judged by the prototypes.

    Args:
        landmarker: Finds faces; None takes the process's own.

    Raises:
        DependencyError: MediaPipe or its model file is missing.
        WeightsError: The model file is not the expected one.
    """
    reader = f"{blendshapes.reader_name()} {MODEL_SHA256}"
    read = partial(_by_mediapipe, landmarker or shared_landmarker())
    return Expert("mediapipe-rules", au_rules.fingerprint(reader), read)


_ALONE = au_rules.slots_seen(f"AU{number}" for number in blendshapes.ALONE)


def _by_mediapipe(landmarker: Landmarker, images: Images) -> NDArray[np.float32]:
    """Where no face is found, all eight are as likely."""
    rows = []
    for image in images:
        faces = landmarker.detect(image)
        if faces:
            slots = _to_slots(blendshapes.read_aus(faces[0]).aus)
            rows.append(au_rules.probabilities(slots[None], _ALONE)[0])
        else:
            rows.append(np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32))
    return np.stack(rows)


def _to_slots(aus: Mapping[str, float]) -> NDArray[np.float64]:
    named = {slot: value for key, value in aus.items() for slot in slots_of(key)}
    return np.array([named.get(slot, 0.0) for slot in AU_SLOTS])


def other(name: str, where: str, labels: Labels | None = None) -> Expert:
    """Any image classifier: a folder with an ONNX file, or a `transformers` folder or hub id.

    Args:
        name: What it is to be called.
        where: The folder, or an id on the hub.
        labels: The meaning of its classes; None goes by their names.

    Raises:
        WeightsError: There is no such classifier, or it is damaged.
        DependencyError: It is an ONNX model and onnxruntime is not installed.
        RequestError: A class has no meaning, or an expression no class.
    """
    if onnx_classifier.is_onnx(where):
        onnx = onnx_classifier.load(Path(where), labels)
        return _other(name, onnx, onnx.sha256)
    net = image_classifier.load(where, labels)
    return _other(name, net, net.sha256())


def _other(name: str, net: ImageClassifier | OnnxClassifier, sha256: str) -> Expert:
    missing = [e for e in EXPRESSIONS if e not in net.expressions]
    if missing:
        raise RequestError(
            f"the expert {name} has no class for {', '.join(missing)}",
            field="labels",
            allowed=f"a class for each of {', '.join(EXPRESSIONS)}",
        )
    return Expert(name, sha256, partial(_softmax, net))


@torch.no_grad()
def _softmax(net: ImageClassifier | OnnxClassifier, images: Images) -> NDArray[np.float32]:
    starts = range(0, len(images), _BATCH)
    parts = [net(to_tensor(images[i : i + _BATCH])).softmax(-1) for i in starts]
    return cast(NDArray[np.float32], torch.cat(parts).numpy())
