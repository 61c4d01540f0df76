"""A Stable Diffusion backbone beside the built-in one: recipe in, result out, command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from synfer_core import editing, samples
from synfer_core.calibration import FERAnnoReader
from synfer_core.cli import main
from synfer_core.errors import RequestError
from synfer_core.faces.images import read_image
from synfer_core.models import feranno, sd_adapter
from synfer_core.models.added import Added
from synfer_core.models.feranno import FERAnno, FERAnnoConfig
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.report import Pixels, read_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.models import tiny_ip_adapter, tiny_sd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, an AU adapter and FERAnno for the two."""
    folder = tmp_path_factory.mktemp("chain")
    tiny_sd.write(folder / "model")
    sd_adapter.save(tiny_sd.slot_adapter(), folder / "units.safetensors")
    model = StableDiffusion.load(Added("sd", str(folder / "model"), folder / "units.safetensors"))
    found = model.probe().features(torch.zeros(1, *model.latent_shape), steps=20, taps=(0,))
    channels = tuple((side, tensor.shape[1]) for side, tensor in found.items())
    config = FERAnnoConfig(channels, model.fingerprint(), latents=4, width=16, blocks=1, heads=2)
    feranno.save(FERAnno(config), folder / "feranno.safetensors", temperature=1.0)
    tiny_ip_adapter.write(folder / "face", "plus")
    return folder


@pytest.fixture
def read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model paints noise, in which nobody finds a face to align."""

    def found(image: Pixels, size: int) -> tuple[Pixels, tuple[str, ...]]:
        return image, ()

    monkeypatch.setattr("synfer_core.synthesizer.prepare", found)


@pytest.mark.usefixtures("read_as_it_is")
def test_a_result_has_its_own_label_recipe_and_notes(place: Path, tiny_model_folder: Path) -> None:
    files = {"adapter": place / "units.safetensors", "feranno": place / "feranno.safetensors"}
    synthesizer = Synthesizer.load(tiny_model_folder, [Added("sd", str(place / "model"), **files)])
    assert set(synthesizer.capabilities) >= {"builtin", "sd"}
    recipe = Recipe(backbone="sd", text="a smiling woman", aus={"AU12": 3.0}, steps=2)
    result = synthesizer.generate(recipe)
    assert result.recipe.weights_sha256 == synthesizer.check(recipe).weights_sha256
    assert result.label is not None, "FERAnno of its own features; the tiny built-in one has none"
    assert result.label.reader.startswith("feranno ")
    assert "no AU reader" in " ".join(result.notes)
    assert "no FERAnno" not in " ".join(result.notes)
    read = read_recipe(result.to_png())
    assert (synthesizer.generate(read).image == result.image).all()


@pytest.mark.usefixtures("read_as_it_is")
def test_only_the_reader_that_counts_is_asked(
    place: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"adapter": place / "units.safetensors", "feranno": place / "feranno.safetensors"}
    synthesizer = Synthesizer.load(tiny_model_folder, [Added("sd", str(place / "model"), **files)])
    own = synthesizer.backbones["sd"].feranno  # type: ignore[attr-defined]
    annotator = replace(synthesizer.annotator, feranno=replace(own, name="built-in"))
    asked: list[str] = []
    read: Callable[..., Any] = FERAnnoReader.read

    def heard(self: FERAnnoReader, image: Pixels) -> Any:
        asked.append(self.name)
        return read(self, image)

    monkeypatch.setattr(FERAnnoReader, "read", heard)
    both = replace(synthesizer, annotator=annotator)
    result = both.generate(Recipe(backbone="sd", expression="happiness", steps=1))
    assert asked == [own.name]
    assert result.label is not None
    assert result.label.reader == own.name
    annotator.read(result.image)
    assert asked[-1] == "built-in"


def test_generate_takes_a_backbone_and_batches_name_theirs(
    place: Path, tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = f"sd={place / 'model'},adapter={place / 'units.safetensors'}"
    common = ["--models", str(tiny_model_folder), "--backbone", backbone]
    out = tmp_path / "face.png"
    line = ["generate", *common, "--facs", "12D", "--steps", "2", "--out", str(out)]
    assert main(line) == 0
    assert read_recipe(out.read_bytes()).backbone == "sd"
    rows = [{"backbone": "sd", "steps": 1}, {"backbone": "sd", "identity_seed": 3}, {"steps": 1}]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    batch = ["generate", *common, "--batch", str(tmp_path / "rows.jsonl")]
    assert main([*batch, "--out", str(tmp_path / "faces")]) == 1
    entries = (tmp_path / "faces" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(entry)["ok"] for entry in entries] == [True, False, True]
    assert "keeps no identity" in capsys.readouterr().err


def test_generate_takes_a_face_and_the_recipe_makes_it_again(
    place: Path, tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = f"sd={place / 'model'},face={place / 'face'}"
    common = ["generate", "--models", str(tiny_model_folder), "--steps", "1"]
    out, again = tmp_path / "face.png", tmp_path / "again.png"
    photo = str(samples.FOLDER / samples.find("ada").file)
    line = [*common, "--backbone", backbone, "--face", photo, "--face-scale", "0.8"]
    assert main([*line, "--out", str(out)]) == 0
    recipe = read_recipe(out.read_bytes())
    assert recipe.identity_scale == 0.8
    assert recipe.identity_image is not None
    assert editing.square_of(recipe.identity_image).shape == (editing.PORTRAIT,) * 2 + (3,)
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    line = ["generate", "--models", str(tiny_model_folder), "--backbone", backbone]
    assert main([*line, "--recipe", str(tmp_path / "recipe.json"), "--out", str(again)]) == 0
    assert (read_image(out) == read_image(again)).all()
    assert main([*common, "--face", "sample:ada", "--out", str(out)]) == 2
    assert "identity_image: Diffusion takes a person as" in capsys.readouterr().err


def test_a_backbone_that_is_not_there_is_an_error_of_one_line(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["generate", "--models", str(tiny_model_folder), "--out", str(tmp_path / "f.png")]
    assert main([*line, "--backbone", f"sd={tmp_path / 'none'}"]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main([*line, "--backbone", "sd="]) == 2
    with pytest.raises(RequestError, match="facekit is taken"):
        Added.parse("facekit=models")
