"""One image of a source becomes a record of the data set, or a rejection with its reason.

read -> look for blanks -> find faces -> gate -> crop, enlarged where the face is small -> action
units -> attributes -> caption.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from PIL import Image

from synfer_core.errors import AnswerError, ImageError, ModelError, RejectedError
from synfer_core.faces.images import decode_image
from synfer_core.faces.landmarks import Face, shared_landmarker
from synfer_core.facs import AU_SLOTS, slots_of
from synfer_core.fetext import caption, labels, upscale
from synfer_core.fetext import gate as gates
from synfer_core.fetext.caption import Attributes, Caption, Captioner, Subject
from synfer_core.fetext.gate import Gate, Seen
from synfer_core.fetext.labels import AULabels, Labeller
from synfer_core.fetext.sources import Item
from synfer_core.fetext.upscale import Pixels, Upscaler
from synfer_core.models.attributes import CLASSES

NO_UPSCALER = "none"
"""What a record says of a face that was large enough."""


@dataclass(frozen=True)
class Rejection:
    """An image that is left out.

    Attributes:
        index: Its place in the source, from 0.
        key: Its name in the source.
        reason: One of `gate.REASONS`.
        message: What was found, and what is allowed.
    """

    index: int
    key: str
    reason: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Record:
    """An image of the data set and all that is known of it.

    Attributes:
        index: Its place in the source, from 0.
        item: What the source says of it.
        source_sha256: Of the image file it came from.
        width, height: Of the photo.
        image: (S, S, 3) the aligned face.
        seen: What the gate measured.
        labels: Its action units.
        attributes: Attribute to class, where the judge is sure.
        caption: Its caption.
        upscaler: What enlarged it, or `NO_UPSCALER`.
    """

    index: int
    item: Item
    source_sha256: str
    width: int
    height: int
    image: Pixels
    seen: Seen
    labels: AULabels
    attributes: Mapping[str, str]
    caption: Caption
    upscaler: str

    def row(self, quality: int) -> dict[str, Any]:
        """As a row of `shards.SCHEMA`; the image is WebP of that quality."""
        return {
            "index": self.index,
            "key": self.item.key,
            "image": {"bytes": _webp(self.image, quality), "path": f"{self.index:09d}.webp"},
            "expression": self.item.expression,
            "split": self.item.split,
            "valence": self.item.valence,
            "arousal": self.item.arousal,
            "caption": self.caption.text,
            "caption_by": self.caption.writer,
            "caption_notes": list(self.caption.notes),
            **self._action_units(),
            **{name: self.attributes.get(name) for name in CLASSES},
            **self._measures(),
            "source_sha256": self.source_sha256,
        }

    def _action_units(self) -> dict[str, Any]:
        slots: dict[str, float | None] = dict.fromkeys(AU_SLOTS)
        for key, value in self.labels.aus.items():
            slots |= dict.fromkeys(slots_of(key), round(value, 3))
        occurrence = self.labels.occurrence
        return {
            "aus": list(slots.values()),
            "au_occurrence": None if occurrence is None else [round(p, 4) for p in occurrence],
            "au_source": self.labels.source,
        }

    def _measures(self) -> dict[str, Any]:
        pose = self.seen.face.pose
        angles = pose._asdict() if pose else {}
        return {
            "face_side": round(self.seen.side, 1),
            "faces": self.seen.faces,
            "sharpness": round(self.seen.sharpness, 4),
            "outside": round(self.seen.outside, 4),
            **{name: round(angle, 1) for name, angle in angles.items()},
            "upscaler": self.upscaler,
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True)
class Tools:
    """What makes records.

    Attributes:
        detect: Finds the faces in an image (H, W, 3), the largest first.
        gate: The thresholds.
        size: Pixels on a side of a record's image.
        upscaler: Enlarges small faces.
        labeller: Says what is known of the action units.
        attributes: Reads glasses, beard, hair and skin.
        captioner: Writes captions.
    """

    detect: Callable[[Pixels], Sequence[Face]]
    gate: Gate
    size: int
    upscaler: Upscaler
    labeller: Labeller
    attributes: Attributes
    captioner: Captioner

    @classmethod
    def load(
        cls,
        folder: Path,
        gate: Gate,
        size: int,
        *,
        upscaler: str = upscale.LANCZOS,
        aus: str = "reader",
        captioner: str | None = None,
        device: str = "cpu",
    ) -> Self:
        """Load what is asked for; see `upscale.load`, `labels.load` and `caption.load`.

        Args:
            folder: Weights of the built-in readers.
            device: Where upscaler and captioner run.

        Raises:
            DependencyError: MediaPipe or an optional library is missing.
            WeightsError: A model is missing or another one than it should be.
            DataError: A file of action units cannot be read.
        """
        # What the user names comes first, so that a wrong name is told before a model is missing.
        table = None if aus in labels.BUILT_IN else labels.load(aus, folder)
        enlarge, writer = upscale.load(upscaler, device), caption.load(captioner, device)
        return cls(
            captioner=writer,
            detect=shared_landmarker().detect,
            gate=gate,
            size=size,
            upscaler=enlarge,
            labeller=table or labels.load(aus, folder),
            attributes=Attributes.load(folder / "attributes.safetensors"),
        )

    def make(self, index: int, item: Item) -> Record | Rejection:
        """A record of an item, or why there is none."""
        try:
            return self._record(index, item)
        except RejectedError as error:
            return _rejection(index, item, error.reason, error)
        except ImageError as error:
            return _rejection(index, item, "small_face", error)
        except (ModelError, AnswerError) as error:
            return _rejection(index, item, "failed", error)

    def _record(self, index: int, item: Item) -> Record:
        data, photo = _read(item)
        gates.check_picture(photo, self.gate)
        seen = gates.inspect(photo, self.detect(photo), self.gate)
        image = upscale.crop(photo, seen.face, seen.side, self.size, self.upscaler)
        known = self.labeller.label(item, seen)
        attributes = self.attributes.read(seen.crop)
        subject = Subject(image, seen, item.expression, known.worded, attributes)
        return Record(
            index=index,
            item=item,
            source_sha256=hashlib.sha256(data).hexdigest(),
            width=photo.shape[1],
            height=photo.shape[0],
            image=image,
            seen=seen,
            labels=known,
            attributes=attributes,
            caption=self.captioner.write(subject),
            upscaler=NO_UPSCALER if seen.side >= self.size else self.upscaler.name,
        )


def _read(item: Item) -> tuple[bytes, Pixels]:
    if item.refusal:
        raise RejectedError(item.refusal, reason="label")
    try:
        data = item.read()
        return data, decode_image(data)
    except ImageError as error:
        raise RejectedError(error.message, reason="unreadable", allowed=error.allowed) from error


def _rejection(index: int, item: Item, reason: str, error: ImageError | Exception) -> Rejection:
    message = getattr(error, "message", str(error))
    allowed = getattr(error, "allowed", None)
    return Rejection(index, item.key, reason, f"{message} ({allowed})" if allowed else message)


def _webp(image: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()
