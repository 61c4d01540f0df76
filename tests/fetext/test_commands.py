from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from synfer_core.cli import main
from tests.faces.photo import needs_landmarker, portrait
from tests.fetext.test_labels import write
from tests.models.test_multimodal import write_llava

Lines = pytest.CaptureFixture[str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "happy").mkdir(parents=True)
    Image.fromarray(portrait(100)).save(folder / "happy/a.png")
    Image.fromarray(portrait(100)[:, ::-1]).save(folder / "happy/b.png")
    return folder


@needs_landmarker
def test_a_data_set_with_a_model_s_captions_and_a_file_s_action_units(
    photos: Path, tmp_path: Path, capsys: Lines
) -> None:
    model = write_llava(tmp_path / "tiny-llava", "lip corners pulled up")
    aus = write(tmp_path / "aus.csv", ("happy/a.png", {"AU12": 0.9}))
    command = ["fetext", "build", str(photos), "--out", str(tmp_path / "set"), "--size", "64",
               "--format", "webdataset", "--captioner", str(model), "--aus", str(aus)]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr()
    assert "1 records of 2 images" in said.out
    assert "1 left out: no_aus" in said.out
    assert "a second" in said.out
    assert "MB of memory" in said.out
    assert "2/2 images" in said.err
    with tarfile.open(tmp_path / "set/shard-000000.tar") as tar:
        member = tar.extractfile("000000000.json")
        assert member
        record = json.load(member)
    assert record["caption"] == "lip corners pulled up"
    assert record["caption_by"] == "tiny-llava"
    assert record["au_source"] == "aus.csv"
    assert "instruction" in json.loads((tmp_path / "set/config.json").read_text())["models"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["--layout", "imagenet"], "--layout"),
        (["--max-yaw", "100"], "gate.max_yaw"),
        (["--format", "zip"], "--format"),
        (["--aus", "absent.csv"], "absent.csv"),
    ],
)
def test_bad_options_are_named(
    photos: Path, tmp_path: Path, capsys: Lines, words: list[str], field: str
) -> None:
    assert main(["fetext", "build", str(photos), "--out", str(tmp_path / "set"), *words]) == 2
    assert field in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_folder_without_images(tmp_path: Path, capsys: Lines) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["fetext", "build", str(tmp_path / "empty"), "--out", str(tmp_path / "set")]) == 2
    assert "holds no image" in capsys.readouterr().err
