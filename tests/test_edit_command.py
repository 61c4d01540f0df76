"""``synfer edit`` on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synfer_core.cli import main
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.provenance.png import to_png
from synfer_core.report import read_recipe

Lines = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def models(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an AU reader."""
    place = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(tiny_model_folder, place)
    torch.manual_seed(0)
    net = Classifier(ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1)))
    assert net.aus is not None
    torch.nn.init.constant_(net.aus.bias, 0.5)
    classifier.save(net, place / "au-reader.safetensors", "au-reader")
    return place


@pytest.fixture(scope="module")
def face(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An earlier result, which carries its recipe."""
    path = tmp_path_factory.mktemp("face") / "face.png"
    words = ["--au", "AU12=3", "--identity-seed", "4", "--steps", "2", "--models", str(models)]
    assert main(["generate", *words, "--out", str(path)]) == 0
    return path


def edit(models: Path, image: Path | str, out: Path, *words: str) -> int:
    return main(["edit", str(image), *words, "--models", str(models), "--out", str(out)])


def test_an_earlier_result_is_changed_relative_to_its_recipe(
    models: Path, face: Path, tmp_path: Path, capsys: Lines
) -> None:
    out, report = tmp_path / "less.png", tmp_path / "less.json"
    words = ["--relative", "--au", "AU12=-2", "--steps", "4", "--report", str(report)]
    assert edit(models, face, out, *words) == 0
    recipe = read_recipe(out.read_bytes())
    assert recipe.aus == {"AUL12": 1.0, "AUR12": 1.0}
    assert recipe.identity_code is not None
    told = json.loads(report.read_text())
    assert told["edit"] == {"source": "12C", "notes": []}
    assert told["reconstruction_psnr"] > 5
    assert "round trip of the source: " in capsys.readouterr().out


def test_a_file_without_a_recipe_is_read(models: Path, face: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.open(face).save(plain)
    report = tmp_path / "r.json"
    words = ["--relative", "--au", "AU4=1", "--steps", "3", "--report", str(report)]
    assert edit(models, plain, tmp_path / "out.png", *words) == 0
    told = json.loads(report.read_text())
    assert told["edit"]["source"]
    assert told["recipe"]["aus"]["AUL4"] >= 1
    assert "identity_code" not in told["recipe"]


def test_an_edit_is_a_recipe_that_generate_repeats(
    models: Path, face: Path, tmp_path: Path
) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    words = ["--facs", "4D", "--expression", "anger", "--depth", "0.5", "--keep", "0.5"]
    assert edit(models, face, out, *words, "--steps", "4") == 0
    recipe = read_recipe(out.read_bytes())
    assert (recipe.inversion_depth, recipe.keep, recipe.expression) == (0.5, 0.5, "anger")
    (tmp_path / "r.json").write_text(recipe.to_json())
    words = ["--recipe", str(tmp_path / "r.json"), "--models", str(models), "--out", str(again)]
    assert main(["generate", *words]) == 0
    assert (np.asarray(Image.open(out)) == np.asarray(Image.open(again))).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--relative"], "--relative: changes nothing"),
        (["--au", "AU12=-1"], "aus.AU12: intensity -1 is out of range"),
        (["--relative", "--au", "AU12=7"], "aus.AU12: 7 is out of range (allowed: -5 to 5)"),
        (["--au", "AU12=1", "--depth", "0"], "inversion_depth: "),
        (["--au", "AU12=1", "--keep", "2"], "keep: "),
        (["--au", "AU12=1", "--steps", "1"], "steps: inversion needs a way back"),
    ],
)
def test_bad_requests_name_the_field_and_make_nothing(
    words: list[str], message: str, models: Path, face: Path, tmp_path: Path, capsys: Lines
) -> None:
    assert edit(models, face, tmp_path / "out.png", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("image", "message"),
    [("nowhere.png", "cannot be read"), ("sample:nobody", "there is no sample")],
)  # fmt: skip
def test_sources_that_cannot_be_edited_are_named(
    image: str, message: str, models: Path, tmp_path: Path, capsys: Lines
) -> None:
    assert edit(models, image, tmp_path / "out.png", "--au", "AU12=1") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"), [('{"version":2}', "another version"), ("not json", "cannot be read")]
)
def test_a_damaged_recipe_leaves_the_pixels(
    text: str, words: str, models: Path, face: Path, tmp_path: Path, capsys: Lines
) -> None:
    picture, out, report = tmp_path / "v2.png", tmp_path / "out.png", tmp_path / "out.json"
    with Image.open(face) as image:
        picture.write_bytes(to_png(np.asarray(image.convert("RGB")), {"synfer_recipe": text}))
    steps = ["--au", "AU12=2", "--steps", "2", "--report", str(report)]
    assert edit(models, picture, out, *steps) == 0
    assert f"note: The recipe in this picture {'is of' if '{' in text else ''}" in (
        told := capsys.readouterr().out
    )
    assert words in told
    assert words in json.loads(report.read_text())["edit"]["notes"][-1]
    again = ["generate", "--recipe", str(picture), "--out", str(out), "--models", str(models)]
    assert main(again) == 2
    assert f"{picture}: The recipe in this picture" in capsys.readouterr().err


def test_a_picture_made_here_is_a_recipe(models: Path, face: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.png"
    again = ["generate", "--recipe", str(face), "--out", str(out), "--models", str(models)]
    assert main(again) == 0
    assert out.read_bytes() == face.read_bytes()
