"""Tiny copies of the known data sets' layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import DataError, RequestError
from synfer_core.facs import EXPRESSIONS
from synfer_core.fetext.layouts import LAYOUTS, layout_of
from synfer_core.fetext.sources import CSV, FOLDER, Item
from tests.fetext.test_sources import files, known, read, write_csv


def items(name: str, root: Path) -> list[Item]:
    return read(LAYOUTS[name], root)


def affectnet_row(number: int, label: int) -> dict[str, object]:
    return {
        "subDirectory_filePath": f"{number}/a.jpg",
        "face_x": 1,
        "face_y": 1,
        "face_width": 9,
        "face_height": 9,
        "facial_landmarks": "1;2;3",
        "expression": label,
        "valence": -2 if label > 7 else 0.25,
        "arousal": -2 if label > 7 else -0.5,
    }


def test_affectnet_of_2017(tmp_path: Path) -> None:
    files(tmp_path, "Manually_Annotated_Images/0/a.jpg")
    (tmp_path / "Manually_Annotated_file_lists").mkdir()
    rows = [affectnet_row(n, n) for n in range(11)]
    write_csv(tmp_path / "Manually_Annotated_file_lists/training.csv", *rows)
    write_csv(tmp_path / "Manually_Annotated_file_lists/validation.csv", affectnet_row(11, 7))
    found = items("affectnet", tmp_path)
    assert [item.expression for item in found[:8]] == list(EXPRESSIONS)
    assert [item.refusal for item in found[8:11]] == [
        "AffectNet's label is 8 (none)",
        "AffectNet's label is 9 (uncertain)",
        "AffectNet's label is 10 (no face)",
    ]
    assert (found[0].valence, found[0].arousal, found[8].valence) == (0.25, -0.5, None)
    assert known(found[11]) == ("11/a.jpg", "contempt", "val")
    assert found[0].size > 0


def test_affectnet_with_npy_annotations(tmp_path: Path) -> None:
    names = [f"train_set/images/{n}.jpg" for n in (0, 1, 2)]
    files(tmp_path, *names, "val_set/images/7.jpg")
    for place, label in (("train_set", ("0", 3)), ("train_set", ("1", "9")), ("val_set", ("7", 0))):
        notes = tmp_path / place / "annotations"
        notes.mkdir(exist_ok=True)
        # The makers' files hold strings; copies often hold numbers.
        np.save(notes / f"{label[0]}_exp.npy", label[1])
        np.save(notes / f"{label[0]}_val.npy", "0.5")
    first, uncertain, without, last = items("affectnet8", tmp_path)
    assert known(first) == ("train_set/images/0.jpg", "surprise", "train")
    assert (first.valence, first.arousal) == (0.5, None)
    assert uncertain.refusal == "AffectNet's label is 9 (uncertain)"
    assert without.refusal == "AffectNet's label is ''"
    assert known(last) == ("val_set/images/7.jpg", "neutral", "val")


def test_a_pickled_annotation_is_not_opened(tmp_path: Path) -> None:
    files(tmp_path, "val_set/images/7.jpg")
    (tmp_path / "val_set/annotations").mkdir()
    np.save(tmp_path / "val_set/annotations/7_exp.npy", np.array([object], dtype=object))
    (item,) = items("affectnet8", tmp_path)
    assert item.refusal


@pytest.mark.parametrize("below", ["", "basic"])
def test_rafdb(tmp_path: Path, below: str) -> None:
    base = tmp_path / below
    files(base, "Image/aligned/train_00001_aligned.jpg")
    (base / "EmoLabel").mkdir()
    lines = [f"train_{n:05d}.jpg {n}" for n in range(1, 9)] + ["test_0001.jpg 7", ""]
    (base / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines))
    found = items("rafdb", tmp_path)
    assert [item.expression for item in found[:7]] == [
        *("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    ]
    assert found[7].refusal == "RAF-DB's label is '8'"
    assert known(found[8]) == ("test_0001.jpg", "neutral", "test")
    assert found[0].path == base / "Image/aligned/train_00001_aligned.jpg"
    assert found[0].size > 0


def test_sfew(tmp_path: Path) -> None:
    files(tmp_path, "Train/Angry/a.png", "Train/Fear/b.png", "Train/Other/x.png",
          "Val/Surprise/c.png", "Test/d.png")  # fmt: skip
    a, b, x, c, d = items("sfew", tmp_path)
    assert [known(item)[1:] for item in (a, b, c, d)] == [
        ("anger", "train"), ("fear", "train"), ("surprise", "val"), (None, "test"),
    ]  # fmt: skip
    assert a.key == "Train/Angry/a.png"
    assert "'Other'" in x.refusal


def test_sets_without_labels(tmp_path: Path) -> None:
    files(tmp_path, "CelebA-HQ-img/0.jpg", "CelebA-HQ-img/10.jpg")
    assert [known(i) for i in items("celebahq", tmp_path)] == [
        ("0.jpg", None, None),
        ("10.jpg", None, None),
    ]
    files(tmp_path, "images1024x1024/59000/59999.png", "images1024x1024/60000/60000.png")
    assert [known(i) for i in items("ffhq", tmp_path)] == [
        ("59999.png", None, "train"),
        ("60000.png", None, "val"),
    ]


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"folder", "csv", "parquet"}))
def test_what_is_laid_out_otherwise_is_refused_with_what_is_expected(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(DataError, match="does not look like") as caught:
        items(name, files(tmp_path, "a.jpg"))
    assert caught.value.allowed == LAYOUTS[name].shape


def test_a_layout_is_named_or_follows_from_the_suffix(tmp_path: Path) -> None:
    files(tmp_path, "a.csv", "a.txt")
    assert layout_of(tmp_path, None) is FOLDER
    assert layout_of(tmp_path / "a.csv", None) is CSV
    assert layout_of(tmp_path, "rafdb") is LAYOUTS["rafdb"]
    for root, name in ((tmp_path, "raf"), (tmp_path / "a.txt", None), (tmp_path / "none", None)):
        with pytest.raises(RequestError):
            layout_of(root, name)
