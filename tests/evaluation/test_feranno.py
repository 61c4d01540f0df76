from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from synfer_core import cli
from synfer_core.errors import DataError
from synfer_core.evaluation import feranno, first_light
from synfer_core.evaluation.feranno import OURS, Answers, Calibration, Faces, Reader
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.training import rivals
from synfer_core.training.feranno import FERAnnoTraining
from synfer_core.training.loop import Schedule
from tests.test_calibration import copied, write_feranno
from tests.training.tiny import write_faces

NET = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1))
TINY = FERAnnoTraining(width=16, blocks=1, copies=1, batch=16)
BRIEF = Schedule(minutes=0.002, log_steps=1)


def drawn(count: int, seed: int) -> Faces:
    """Faces whose first pixel holds their label; five images a person."""
    labels = np.random.default_rng(seed).integers(0, 8, count)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = labels
    images[:, 0, 0, 1] = np.arange(count) % 20
    return Faces(images, labels, np.arange(count) // 5)


def reader(images: NDArray[np.uint8], *, sure: float = 0.9, errors: int = 2) -> NDArray[np.float32]:
    """Takes so many of 20 images for the next expression and says `sure` of all."""
    true, row = images[:, 0, 0, 0].astype(int), images[:, 0, 0, 1]
    read = (true + (row < errors)) % 8
    return (np.eye(8)[read] * (sure - (1 - sure) / 7) + (1 - sure) / 7).astype(np.float32)


def asked(read: Reader, **rivals: Reader) -> Calibration:
    validation, held_out = drawn(400, 1), drawn(800, 2)
    readers: Mapping[str, Reader] = {OURS: read, **rivals}
    answers = {name: feranno.answer(r, validation, held_out) for name, r in readers.items()}
    return Calibration(answers, 400, None, "a" * 64, dict.fromkeys(readers, 100))


def test_a_reader_that_is_right_and_knows_it() -> None:
    figures = asked(partial(reader, errors=0, sure=0.99)).to_dict()
    assert figures["accuracy"] == {"value": 1, "low": 1, "high": 1}
    assert figures["ece"] == figures["adaptive_ece"] == pytest.approx(0.01, abs=1e-4)
    assert figures["flagged"]["corrupted"]["value"] == 1
    assert figures["flagged"]["right"]["value"] == 0
    assert figures["images"] == 800
    assert figures["people"] == 160
    assert figures["validation_images"] == 400
    assert sum(figures["confusion"]["fear"].values()) == figures["confusion"]["fear"]["fear"]
    json.dumps(figures, allow_nan=False)


def test_errors_and_doubt_are_counted() -> None:
    figures = asked(partial(reader, errors=2, sure=0.9)).to_dict()
    assert figures["accuracy"]["value"] == pytest.approx(0.9)
    assert figures["ece"] == pytest.approx(0, abs=1e-4)
    off = figures["confusion"]["neutral"]
    assert off["happiness"] > 0
    assert off["neutral"] + off["happiness"] == sum(off.values())


def test_a_reader_too_sure_of_itself_is_found_out() -> None:
    modest, proud = (asked(partial(reader, errors=6, sure=s)).to_dict() for s in (0.7, 0.99))
    assert modest["accuracy"] == proud["accuracy"]
    assert modest["ece"] < 0.01
    assert proud["ece"] == pytest.approx(0.29, abs=1e-3)


def test_a_blind_reader_finds_no_wrong_labels() -> None:
    def blind(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.random.default_rng(len(images)).dirichlet(np.ones(8), len(images))

    figures = asked(blind).to_dict()
    assert figures["accuracy"]["value"] < 0.25
    assert abs(figures["flagged"]["corrupted"]["value"] - feranno.DOUBTED) < 0.06
    assert abs(figures["flagged"]["right"]["value"] - feranno.DOUBTED) < 0.06


def test_corruption_changes_three_in_ten_labels_to_other_classes() -> None:
    labels = drawn(1000, 0).labels
    given = feranno.corrupt(labels)
    assert (given != labels).sum() == 300
    assert set(given) == set(range(8))
    assert len(set((given - labels)[given != labels] % 8)) == 7
    np.testing.assert_array_equal(given, feranno.corrupt(labels))


def test_the_lead_over_rivals_has_a_sign() -> None:
    seen = asked(partial(reader, errors=2), better=partial(reader, errors=0), worse=_eighth)
    rivals = seen.to_dict()["rivals"]
    assert rivals["better"]["lead"]["value"] == pytest.approx(-0.1)
    assert rivals["worse"]["lead"]["low"] > 0.5
    assert set(rivals) == {"better", "worse"}
    assert any("lead over worse" in line for line in seen.lines())


def _eighth(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.full((len(images), 8), 0.125, np.float32)


def test_bins_hold_what_the_error_is_made_of() -> None:
    answers = asked(partial(reader, errors=6, sure=0.99)).ours
    counts, sure, right = feranno.reliability(answers)
    assert counts.sum() == counts[-1] == 800
    assert abs(sure[-1] - right[-1]) == pytest.approx(answers.ece(), abs=1e-6)
    assert np.isnan(sure[0])
    assert [b["images"] for b in answers.bins()] == [800]


def test_the_diagram_has_a_panel_for_each_reader() -> None:
    one, two = asked(reader).diagram(), asked(reader, other=_eighth).diagram()
    sizes = []
    for png in (one, two):
        with Image.open(io.BytesIO(png)) as image:
            sizes.append(image.size)
    assert sizes == [(800, 400), (1200, 400)]


def test_faces_are_labelled_and_not_faint(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "a", expressions=("anger", "neutral", "mixed"))
    found = feranno.faces(data, "val")
    assert sorted(found.labels) == [0, 0, 6, 6]
    assert EXPRESSIONS[6] == "anger"
    assert set(found.people) == {4, 9}
    assert len(feranno.faces(data, "val", limit=3).labels) == 3
    with pytest.raises(DataError, match="no labelled"):
        feranno.faces(write_faces(tmp_path / "b", expressions=("mixed",)), "val")


def test_another_data_set_serves_whole_if_nobody_is_in_both(tmp_path: Path) -> None:
    data, others, mixed = (
        write_faces(tmp_path / str(first), identities=10, first_identity=first, expressions=faces)
        for first, faces in ((0, ("anger",)), (100, ("anger",)), (105, ("anger",)))
    )
    with_test_split(others)
    assert set(feranno.held_out(others, 99).people) == {109}
    people = set(feranno.held_out(others, 99, data).people)
    assert people == set(range(100, 110)) - {104}, "all but validation"
    assert len(feranno.held_out(others, 4, data).people) == 4
    with pytest.raises(DataError, match="identities are also in"):
        feranno.held_out(others, 99, mixed)


def test_agreement_on_generated_images(tiny_model_folder: Path) -> None:
    def same(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(8, dtype=np.float32)[np.arange(len(images)) + 1]

    wanted = [r.model_copy(update={"steps": 2}) for r in first_light.recipes(identities=1)]
    made = feranno.generate(
        Synthesizer.load(tiny_model_folder),
        same,
        {"a": same, "b": lambda images: np.roll(same(images), 1, axis=1)},
        wanted,
        tell=lambda done, total: None,
    )
    figures = made.to_dict()
    assert figures["images"] == 7
    assert figures["with_recipe"]["value"] == figures["with_judge"]["a"]["value"] == 1
    assert figures["with_judge"]["b"]["value"] == 0


def with_test_split(data: Path) -> Path:
    """The last person goes from validation to test."""
    shard = data / "shard-000000.parquet"
    rows = pq.read_table(shard).to_pylist()
    last = max(row["identity"] for row in rows)
    moved = [row | {"split": "test"} if row["identity"] == last else row for row in rows]
    pq.write_table(pa.Table.from_pylist(moved), shard)
    return data


def test_the_command_writes_figures_and_diagram(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(tiny_model_folder, tmp_path)
    write_feranno(folder)
    torch.manual_seed(0)
    classifier.save(Classifier(NET), folder / "judge-a.safetensors", "judge")
    data = with_test_split(write_faces(tmp_path / "data", size=64))
    target, diagram = tmp_path / "f.json", tmp_path / "f.png"
    for rival in rivals.RIVALS:
        rivals.train(rival, TINY, BRIEF, data, folder, tmp_path / "rivals")
    arguments = ["--models", str(folder), "--data", str(data), "--identities", "0"]
    arguments += ["--rivals", str(tmp_path / "rivals")]
    outputs = ["--json", str(target), "--diagram", str(diagram)]
    assert cli.main(["eval", "feranno", *arguments, *outputs]) == 0
    figures = json.loads(target.read_text())
    assert {"accuracy", "ece", "flagged", "threshold", "confusion", "rivals"} <= set(figures)
    assert set(figures["rivals"]) == {"pixels", "random-unet"}
    pixels = figures["rivals"]["pixels"]["parameters"]  # of a tiny one, whose widths go by 8
    assert figures["parameters"] == pytest.approx(pixels, rel=0.35)
    assert {"lead", "accuracy", "flagged"} < set(figures["rivals"]["pixels"])
    assert figures["generated"] is None
    assert figures["weights_sha256"] == Synthesizer.load(folder).check(Recipe()).weights_sha256
    assert diagram.read_bytes().startswith(b"\x89PNG")
    assert "calibration error" in capsys.readouterr().out


def test_too_few_images_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "feranno", "--data", ".", "--images", "5"]) == 2
    assert "--images" in capsys.readouterr().err


def test_answers_are_asked_in_parts() -> None:
    sizes: list[int] = []

    def counting(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(images))
        return reader(images)

    read = feranno.in_parts(counting, drawn(150, 0).images)
    assert sizes == [64, 64, 22]
    assert read.shape == (150, 8)
    assert isinstance(Answers(drawn(150, 0), read, 0.1).ece(), float)
