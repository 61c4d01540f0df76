from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.data.export import export
from synfer_core.errors import DataError, RequestError
from synfer_core.faces.landmarks import Landmarker, find_model
from synfer_core.facs import EXPRESSIONS
from synfer_core.lab import labels
from synfer_core.lab.images import UNLABELLED, Faces, Reading, framed, refuse_shared
from tests.data.drawn_set import DrawnWorkshop, build, plan
from tests.faces.photo import needs_landmarker, portrait
from tests.lab.conftest import write_photos

PHOTOS = Reading(size=32, crop="none")


def test_shards_give_labels_people_captions_and_splits(shards: Path, training: Faces) -> None:
    assert training.images.shape == (64, 32, 32, 3)
    assert training.counts == dict.fromkeys(EXPRESSIONS, 8)
    assert set(training.people) == {0, 1, 2, 3, 5, 6, 7, 8}
    assert training.captions[2] == "a person with sadness"
    assert training.cropped == {"as made": 64}
    assert len(Reading(size=32).read(shards)) == 80


def test_class_folders_go_by_their_names(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", ("Happy", "sad", "Contempt"))
    faces = PHOTOS.read(folder)
    assert faces.counts == {"happiness": 2, "sadness": 2, "contempt": 2}
    assert len(set(faces.people)) == 6
    assert all(faces.people < 0)
    assert faces.captions == ()


def test_folders_of_splits_lie_above_the_classes(tmp_path: Path) -> None:
    write_photos(tmp_path / "set/train", ("fear",))
    write_photos(tmp_path / "set/validation", ("anger",))
    assert replace(PHOTOS, split="val").read(tmp_path / "set").counts == {"anger": 2}


@pytest.mark.parametrize(
    ("named", "expected"),
    [("affectnet", {"happiness": 2, "anger": 2}), ("rafdb", {"surprise": 2, "anger": 2})],
)
def test_numbers_mean_what_the_map_says(
    tmp_path: Path, named: str, expected: dict[str, int]
) -> None:
    folder = write_photos(tmp_path / "numbers", ("1", "6"))
    with pytest.raises(DataError, match="says nothing of the folder '1'"):
        PHOTOS.read(folder)
    assert replace(PHOTOS, labels=labels.load(named)).read(folder).counts == expected


def test_a_map_of_ones_own_leaves_classes_out(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"Joy": "happiness", "other": null}')
    folder = write_photos(tmp_path / "own", ("Joy", "other"))
    reading = replace(PHOTOS, labels=labels.load(str(tmp_path / "map.json")))
    assert reading.read(folder).counts == {"happiness": 2}


def test_unlabelled_photos_may_lie_anywhere(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "any", ("who knows",))
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "beside.png")
    with pytest.raises(DataError, match="who knows"):
        PHOTOS.read(folder)
    faces = replace(PHOTOS, labelled=False).read(folder)
    assert list(faces.labels) == [UNLABELLED] * 3
    with pytest.raises(DataError, match="no image has an expression"):
        faces.labelled()


def test_a_set_of_the_factory_and_its_image_folder_give_the_same(tmp_path: Path) -> None:
    build(tmp_path / "set", DrawnWorkshop(plan(people={"balance": ["sex"]})))
    export(tmp_path / "set", "imagefolder", tmp_path / "out")
    made, exported = (Reading(size=32).read(tmp_path / name) for name in ("set", "out"))
    assert made.counts == {"happiness": 6, "surprise": 6}
    assert made.cropped == exported.cropped == {"as made": 12}
    assert set(made.people) == set(exported.people)
    assert min(made.people) >= 0
    assert sorted(made.captions) == sorted(exported.captions)
    assert Reading(size=32).read(tmp_path / "out/train").sha256() == exported.sha256()


@needs_landmarker
def test_photos_are_cropped_by_the_face_and_renders_are_not(tmp_path: Path) -> None:
    small = portrait(128)
    wide = np.full((256, 320, 3), 128, np.uint8)
    wide[64:192, 30:158] = small
    detector = Landmarker(find_model())
    plain, how = framed(small, 64, None)
    assert how == "middle"
    aligned, way = framed(wide, 64, detector)
    assert way == "face"
    shifted, _ = framed(wide, 64, None)
    error, unaligned = (np.abs(x.astype(int) - plain).mean() for x in (aligned, shifted))
    assert error < unaligned / 2
    assert framed(np.zeros((64, 64, 3), np.uint8), 64, detector)[1] == "middle"


def test_without_cropping_the_middle_is_taken(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos", ("fear",))
    assert PHOTOS.read(folder).cropped == {"middle": 2}


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        PHOTOS.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        PHOTOS.read(tmp_path / "empty")
    with pytest.raises(RequestError, match="multiples of 16"):
        Reading(size=50)
    with pytest.raises(RequestError, match="no split"):
        Reading(split="dev")


def test_a_damaged_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shard-000000.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        Reading().read(tmp_path)


def test_people_and_images_in_both_are_refused(training: Faces, test_faces: Faces) -> None:
    refuse_shared(training, test_faces)
    with pytest.raises(DataError, match="8 people are also in shards"):
        refuse_shared(training, training)
    unknown = replace(training, people=-1 - np.arange(len(training)))
    with pytest.raises(DataError, match="64 images are also in shards"):
        refuse_shared(unknown, unknown)


def test_fewer_faces_lie_within_more_and_classes_are_alike(training: Faces) -> None:
    few, more = training.first(16, 3), training.first(40, 3)
    assert few.counts == dict.fromkeys(EXPRESSIONS, 2)
    assert {image.tobytes() for image in few.images} < {image.tobytes() for image in more.images}
    assert few.sha256() == training.first(16, 3).sha256() != training.first(16, 4).sha256()
    with pytest.raises(RequestError, match="has 64 images, fewer than 65"):
        training.first(65, 0)
