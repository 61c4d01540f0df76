"""Readers of known data sets as their makers hand them out.

None of them is downloaded here: each has terms that its user signs. Where the label of an image is
none of the eight expressions, the image is refused with that label as the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from synfer_core.errors import DataError, RequestError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.fetext.sources import (
    CSV,
    FOLDER,
    PARQUET,
    Item,
    Layout,
    images_below,
    labelled,
    opened_table,
    rating,
    split_named,
)

AFFECTNET_OTHERS = MappingProxyType({8: "none", 9: "uncertain", 10: "no face"})
"""AffectNet's classes beyond the eight."""

RAFDB: Mapping[int, Expression] = MappingProxyType(
    {
        1: "surprise",
        2: "fear",
        3: "disgust",
        4: "happiness",
        5: "sadness",
        6: "anger",
        7: "neutral",
    }
)
"""Numbers of RAF-DB's basic classes."""

FFHQ_TRAINING = 60_000
"""FFHQ's first 60,000 images are for training, the last 10,000 for validation."""


def _one_of(root: Path, *places: str, layout: Layout) -> Path:
    """The first of some places below `root` that is there.

    Raises:
        DataError: None is.
    """
    for place in places:
        if (root / place).exists():
            return root / place
    raise DataError(f"does not look like {layout.title}", field=str(root), allowed=layout.shape)


def _affectnet_label(value: object) -> dict[str, Any]:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if 0 <= number < len(EXPRESSIONS):
        return {"expression": EXPRESSIONS[number]}
    name = AFFECTNET_OTHERS.get(number)
    said = f"{number} ({name})" if name else repr(str(value)[:20])
    return {"refusal": f"AffectNet's label is {said}"}


def _affectnet(root: Path) -> Iterator[Item]:
    lists = _one_of(root, "Manually_Annotated_file_lists", layout=AFFECTNET)
    images = _one_of(
        root,
        "Manually_Annotated_Images",
        "Manually_Annotated/Manually_Annotated_Images",
        layout=AFFECTNET,
    )
    for name, split in (("training.csv", "train"), ("validation.csv", "val")):
        if (lists / name).is_file():
            yield from _affectnet_list(lists / name, images, split)


def _affectnet_list(table: Path, images: Path, split: str) -> Iterator[Item]:
    with opened_table(table) as rows:
        missing = set(_AFFECTNET_COLUMNS) - set(rows.columns)
        if missing:
            raise DataError(f"has no column {min(missing)}", field=str(table))
        for row in rows:
            name, label, valence, arousal = (row[column] or "" for column in _AFFECTNET_COLUMNS)
            yield Item(
                name,
                images / name,
                split=split,
                valence=rating(valence),
                arousal=rating(arousal),
                **_affectnet_label(label),
            )


def _affectnet8(root: Path) -> Iterator[Item]:
    folders = {"train_set": "train", "val_set": "val"}
    _one_of(root, *(f"{name}/annotations" for name in folders), layout=AFFECTNET8)
    for name, split in folders.items():
        if (root / name).is_dir():
            for path in images_below(root / name / "images"):
                notes = root / name / "annotations" / path.stem
                yield Item(
                    f"{name}/images/{path.name}",
                    path,
                    split=split,
                    valence=rating(_annotation(notes, "val")),
                    arousal=rating(_annotation(notes, "aro")),
                    **_affectnet_label(_annotation(notes, "exp")),
                )


def _annotation(notes: Path, kind: str) -> str:
    """The one value of a file such as ``annotations/12_exp.npy``; empty where there is none."""
    try:
        value = np.load(notes.with_name(f"{notes.name}_{kind}.npy"), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return ""
    return str(value.item()) if value.size == 1 else ""


def _rafdb(root: Path) -> Iterator[Item]:
    base = root / "basic" if (root / "basic").is_dir() else root
    table = _one_of(base, "EmoLabel/list_patition_label.txt", layout=RAFDB_BASIC)
    images = _one_of(base, "Image/aligned", layout=RAFDB_BASIC)
    try:
        with table.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield _rafdb_item(line, images)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", field=str(table)) from error


def _rafdb_item(line: str, images: Path) -> Item:
    name, _, label = line.strip().partition(" ")
    stem, dot, suffix = name.rpartition(".")
    number = int(label) if label.strip().isdecimal() else 0
    return Item(
        name,
        images / f"{stem}_aligned{dot}{suffix}",
        expression=RAFDB.get(number),
        split=split_named(name.partition("_")[0]),
        refusal="" if number in RAFDB else f"RAF-DB's label is {label.strip()[:20]!r}",
    )


def _sfew(root: Path) -> Iterator[Item]:
    _one_of(root, "Train", "Val", layout=SFEW)
    for name in ("Train", "Val", "Test"):
        if (root / name).is_dir():
            for path in images_below(root / name):
                parts = path.relative_to(root).parts
                label = labelled(parts[-2] if len(parts) > 2 else None)
                yield Item("/".join(parts), path, split=split_named(name), **label)


def _celebahq(root: Path) -> Iterator[Item]:
    for path in images_below(_one_of(root, "CelebA-HQ-img", layout=CELEBAHQ)):
        yield Item(path.name, path)


def _ffhq(root: Path) -> Iterator[Item]:
    for path in images_below(_one_of(root, "images1024x1024", "thumbnails128x128", layout=FFHQ)):
        if not path.stem.isdecimal():
            raise DataError("is not a number", field=str(path), allowed=FFHQ.shape)
        yield Item(path.name, path, split="train" if int(path.stem) < FFHQ_TRAINING else "val")


_AFFECTNET_COLUMNS = ("subDirectory_filePath", "expression", "valence", "arousal")
_AFFECTNET_TERMS = "The terms that AffectNet's user has signed hold: research only, not passed on."
_AFFECTNET_LABELS = (
    "0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; "
    "8 none, 9 uncertain and 10 no face are refused. Valence and arousal come along."
)

AFFECTNET = Layout(
    "affectnet",
    "AffectNet (2017, manually annotated)",
    "Manually_Annotated_file_lists/training.csv and validation.csv, Manually_Annotated_Images/",
    _AFFECTNET_LABELS,
    _affectnet,
    _AFFECTNET_TERMS,
)
AFFECTNET8 = Layout(
    "affectnet8",
    "AffectNet (release with .npy annotations)",
    "train_set/ and val_set/ with images/N.jpg and annotations/N_exp.npy, N_val.npy, N_aro.npy",
    _AFFECTNET_LABELS,
    _affectnet8,
    _AFFECTNET_TERMS,
)
RAFDB_BASIC = Layout(
    "rafdb",
    "RAF-DB, basic expressions, aligned",
    "EmoLabel/list_patition_label.txt and Image/aligned/ (in basic/ or at the top)",
    "1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral.",
    _rafdb,
    "The terms that RAF-DB's user has signed hold: non-commercial research only, not passed on.",
)
SFEW = Layout(
    "sfew",
    "SFEW 2.0",
    "Train/, Val/ and Test/ with the folders Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise",
    "The names of the folders; Test has no labels.",
    _sfew,
    "The terms that SFEW's user has signed hold: research only; the frames are from films.",
)
CELEBAHQ = Layout(
    "celebahq",
    "CelebA-HQ (CelebAMask-HQ)",
    "CelebA-HQ-img/ with 0.jpg ... 29999.jpg",
    "None.",
    _celebahq,
    "CelebA-HQ is for non-commercial research only; its pictures belong to others.",
)
FFHQ = Layout(
    "ffhq",
    "FFHQ",
    "images1024x1024/ or thumbnails128x128/ with 00000.png ... 69999.png, in folders or not",
    "None; 00000 to 59999 are train, the rest val.",
    _ffhq,
    "FFHQ as a set is CC BY-NC-SA 4.0; each picture has a licence of its own.",
)

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            *(FOLDER, CSV, PARQUET),
            *(AFFECTNET, AFFECTNET8, RAFDB_BASIC, SFEW, CELEBAHQ, FFHQ),
        )
    }
)
"""Every layout by the name that ``--layout`` takes."""


def layout_of(root: Path, name: str | None) -> Layout:
    """The layout that was asked for; without a name that of the file's suffix, else a folder.

    Raises:
        RequestError: There is no such layout, or nothing at `root`.
    """
    if name is not None and name not in LAYOUTS:
        raise RequestError("is not known", field="--layout", allowed=", ".join(LAYOUTS))
    if not root.exists():
        raise RequestError(f"there is no {root}", field="SOURCE", allowed="a folder or a manifest")
    if name is not None:
        return LAYOUTS[name]
    if root.is_dir():
        return FOLDER
    by_suffix = {".csv": CSV, ".parquet": PARQUET}
    if root.suffix.lower() not in by_suffix:
        raise RequestError("is no manifest", field=str(root), allowed="*.csv or *.parquet")
    return by_suffix[root.suffix.lower()]
