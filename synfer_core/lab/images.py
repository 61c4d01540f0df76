"""Faces of any source behind one interface, cropped in one way for training and for test.

Sources: Parquet shards of `synfer facekit render` or `synfer fetext build`, a set of `synfer data
build` or its ImageFolder, and any folder of class folders. The first four have the built-in model's
crop already and are only resized. Photos of class folders are brought to that same crop by
MediaPipe's points; where no face is found, or MediaPipe is absent, their middle square is taken and
counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synfer_core.data import export, manifest
from synfer_core.errors import DataError, DependencyError, ImageError, RequestError, WeightsError
from synfer_core.facekit.dataset import SPLITS
from synfer_core.faces.align import align, middle
from synfer_core.faces.images import decode_image, read_bytes
from synfer_core.faces.landmarks import Face, shared_landmarker
from synfer_core.facs import EXPRESSIONS
from synfer_core.fetext.sources import images_below, opened_table, split_named
from synfer_core.lab.labels import NAMES, Labels, meaning

Pixels = NDArray[np.uint8]
Tell = Callable[[int], None]
Crop = Literal["auto", "face", "none"]
CROPS: tuple[Crop, ...] = get_args(Crop)

UNLABELLED = -1
"""Label of a face without an expression."""
SIZE_STEP, SIZES = 16, (32, 256)
_COLUMNS = ("image", "identity", "expression", "caption", "split")
_KINDS = (
    "shards of renders or of FEText, a set of the factory, or a folder of class folders with images"
)


class Detector(Protocol):
    """Finds faces, such as `faces.landmarks.Landmarker`."""

    def detect(self, image: Pixels) -> tuple[Face, ...]:
        """The faces in an image (H, W, 3), the largest first."""


@dataclass(frozen=True)
class Faces:
    """Images of one source; row i of every field is one image.

    Attributes:
        name: Of the source, in figures.
        images: (N, S, S, 3) uint8.
        labels: (N,) int64, index into `facs.EXPRESSIONS`, or `UNLABELLED`.
        people: (N,) int64, identity seed; negative and each another one where nobody is known.
        captions: N texts, or none.
        cropped: By ``as made``, ``face`` and ``middle``, how many were cropped so.
    """

    name: str
    images: Pixels
    labels: NDArray[np.int64]
    people: NDArray[np.int64]
    captions: tuple[str, ...]
    cropped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.int64]) -> Faces:
        """Some rows, in that order."""
        captions = tuple(self.captions[i] for i in rows) if self.captions else ()
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            people=self.people[rows],
            captions=captions,
        )

    def labelled(self) -> Faces:
        """Those with an expression.

        Raises:
            DataError: There is none.
        """
        rows = np.flatnonzero(self.labels != UNLABELLED)
        if not len(rows):
            raise DataError("no image has an expression", field=self.name)
        return self if len(rows) == len(self) else self.take(rows)

    @property
    def counts(self) -> dict[str, int]:
        """Images of each expression that occurs, in the order of `facs.EXPRESSIONS`."""
        found = Counter(self.labels.tolist())
        return {name: found[i] for i, name in enumerate(EXPRESSIONS) if found[i]}

    def sha256(self) -> str:
        """Over images, labels and captions."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(self.labels.tobytes())
        digest.update("\n".join(self.captions).encode())
        return digest.hexdigest()

    def first(self, count: int, seed: int) -> Faces:
        """A random choice with equal shares of the classes; of one seed, fewer lie within more.

        Raises:
            RequestError: There are fewer images.
        """
        if count > len(self):
            raise RequestError(f"has {len(self):,} images, fewer than {count:,}", field=self.name)
        order = np.random.default_rng(seed).permutation(len(self))
        rank = np.empty(len(self), np.int64)
        for label in np.unique(self.labels):
            rows = order[self.labels[order] == label]
            rank[rows] = np.arange(len(rows))
        return self.take(order[np.argsort(rank[order], kind="stable")][:count])

    def to_dict(self) -> dict[str, object]:
        """What figures say of it."""
        return {
            "name": self.name,
            "images": len(self),
            "counts": self.counts,
            "people": len(np.unique(self.people[self.people >= 0])),
            "cropped": dict(self.cropped),
            "sha256": self.sha256(),
        }


@dataclass(frozen=True)
class Reading:
    """How to read a source.

    Attributes:
        size: Pixels on a side, a multiple of 16 from 32 to 256.
        crop: ``auto``: by MediaPipe where the source is photos and MediaPipe is there; ``face``:
            by MediaPipe, of any source; ``none``: all images have the crop already.
        labels: What the names of class folders mean; a folder that is not in it is refused.
        split: ``train``, ``val`` or ``test`` of a source that has splits; None for all of it.
        labelled: False reads images wherever they lie and gives none a label.
    """

    size: int = 64
    crop: Crop = "auto"
    labels: Labels = field(default_factory=lambda: NAMES)
    split: str | None = None
    labelled: bool = True

    def __post_init__(self) -> None:
        if self.size % SIZE_STEP or not SIZES[0] <= self.size <= SIZES[1]:
            raise RequestError(
                "is out of range", field="size", allowed="multiples of 16 from 32 to 256"
            )
        if self.split is not None and self.split not in SPLITS:
            raise RequestError("is no split", field="split", allowed=", ".join(SPLITS))

    def read(self, folder: Path, tell: Tell = lambda done: None) -> Faces:
        """The faces of a source.

        Args:
            folder: The source.
            tell: Called with images read, one after another.

        Raises:
            DataError: It is no source that is known here, holds no image of that split, a class
                folder is not in the label map, or an image is damaged.
            DependencyError: `crop` is ``face`` and MediaPipe is missing.
        """
        if not folder.is_dir():
            raise DataError("there is no such folder", field=str(folder), allowed=_KINDS)
        photos, found = self._source(folder)
        detector = self._detector(photos)
        rows: list[_Found] = []
        images: list[Pixels] = []
        ways = Counter[str]()
        for number, entry in enumerate(found, 1):
            image, way = framed(decode_image(entry.data, entry.key), self.size, detector)
            ways[way if photos or detector else "as made"] += 1
            images.append(image)
            rows.append(replace(entry, data=b""))
            tell(number)
        return self._assemble(folder, images, rows, ways)

    def _source(self, folder: Path) -> tuple[bool, Iterator[_Found]]:
        """Whether a source is photos, and what is in it."""
        if any(folder.glob("shard-*.parquet")):
            return False, _shards(folder, self.split)
        if (folder / manifest.MANIFEST).is_file():
            return False, _factory(folder, self.split)
        about = (place / "about" / manifest.MANIFEST for place in (folder, folder.parent))
        photos = not any(file.is_file() for file in about)
        return photos, _class_folders(folder, self, beside=photos and not self.labelled)

    def _detector(self, photos: bool) -> Detector | None:
        if self.crop == "none" or (self.crop == "auto" and not photos):
            return None
        try:
            return shared_landmarker()
        except (DependencyError, WeightsError):
            if self.crop == "face":
                raise
            return None

    def _assemble(
        self, folder: Path, images: list[Pixels], rows: list[_Found], ways: Mapping[str, int]
    ) -> Faces:
        if not images:
            which = f" of the split {self.split}" if self.split else ""
            raise DataError(f"holds no image{which}", field=str(folder), allowed=_KINDS)
        known = [row.person if row.person is not None else -1 - i for i, row in enumerate(rows)]
        captions = tuple(row.caption for row in rows) if all(r.caption for r in rows) else ()
        labels = [row.label if self.labelled else UNLABELLED for row in rows]
        return Faces(
            name=folder.resolve().name,
            images=np.stack(images),
            labels=np.array(labels, np.int64),
            people=np.array(known, np.int64),
            captions=captions,
            cropped=ways,
        )


def framed(image: Pixels, size: int, detector: Detector | None) -> tuple[Pixels, str]:
    """The one way in which faces are cropped, for training and test alike.

    Args:
        image: (H, W, 3).
        size: Pixels on a side of what comes out.
        detector: Finds the face; None for images that have the crop already.

    Returns:
        (size, size, 3) with eyes and mouth where the built-in model has them (`faces.align`), and
        ``face``; or the middle square, resized, and ``middle``.
    """
    if detector is not None:
        try:
            for face in detector.detect(image)[:1]:
                return align(image, face, size).image, "face"
        except ImageError:  # Eyes or mouth on one point: no face that could be aligned.
            pass
    return middle(image, size), "middle"


def refuse_shared(training: Faces, test: Faces) -> None:
    """Make sure that no person and no image is in both.

    Raises:
        DataError: One is.
    """
    allowed = "sources apart, or --train-split train --test-split test of one source"
    people = np.intersect1d(training.people[training.people >= 0], test.people)
    if len(people):
        raise DataError(
            f"{len(people)} people are also in {training.name}", field=test.name, allowed=allowed
        )
    hashes = [
        {hashlib.sha256(image.tobytes()).digest() for image in faces.images}
        for faces in (training, test)
    ]
    if both := hashes[0] & hashes[1]:
        raise DataError(
            f"{len(both)} images are also in {training.name}", field=test.name, allowed=allowed
        )


@dataclass(frozen=True)
class _Found:
    key: str
    data: bytes
    label: int = UNLABELLED
    person: int | None = None
    caption: str = ""


def _shards(folder: Path, split: str | None) -> Iterator[_Found]:
    """Of FaceKit or FEText; free mixes of action units have no label."""
    for shard in sorted(folder.glob("shard-*.parquet")):
        try:
            columns = [name for name in _COLUMNS if name in pq.read_schema(shard).names]
            filters = [("split", "=", split)] if split else None
            rows = pq.read_table(shard, columns=columns, filters=filters).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot be read as Parquet: {error}", field=str(shard)) from error
        for number, row in enumerate(rows):
            name = row.get("expression")
            yield _Found(
                f"{shard.name}#{number}",
                row["image"]["bytes"],
                EXPRESSIONS.index(name) if name in EXPRESSIONS else UNLABELLED,
                row.get("identity"),
                row.get("caption") or "",
            )


def _factory(folder: Path, split: str | None) -> Iterator[_Found]:
    for item in export.items(folder, split):
        record = item.record
        label = EXPRESSIONS.index(record.label) if record.label else UNLABELLED
        yield _Found(str(record.file), item.png, label, record.person, item.prompt)


def _class_folders(folder: Path, reading: Reading, *, beside: bool) -> Iterator[_Found]:
    """Images whose folder names their class; a folder above it may name a split.

    Images beside the class folders, such as a card's picture, count only where that is said.
    """
    tables: dict[Path, dict[str, dict[str, str]]] = {}
    for path in images_below(folder):
        above = path.relative_to(folder).parts[:-1]
        if not above and not beside:
            continue
        split = next((split_named(part) for part in above[:-1] if split_named(part)), None)
        if reading.split and split != reading.split:
            continue
        label = meaning(path.parent, reading.labels) if reading.labelled else UNLABELLED
        if label is None:
            continue
        table = tables.setdefault(path.parents[1], _table(path.parents[1] / "metadata.csv"))
        row = table.get(f"{path.parent.name}/{path.name}", {})
        person = int(row["person"]) if row.get("person") else None
        yield _Found(str(path), read_bytes(path), label, person, row.get("prompt", ""))


def _table(path: Path) -> dict[str, dict[str, str]]:
    """What ``metadata.csv`` of an exported set knows of each file; nothing where there is none."""
    if not path.is_file():
        return {}
    with opened_table(path) as rows:
        return {row["file_name"]: row for row in rows if "file_name" in row}
