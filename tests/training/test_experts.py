"""``synfer experts fit``: who is weighed, on whom, and what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synfer_core import cli
from synfer_core.annotation import Annotator
from synfer_core.errors import DataError, RequestError, WeightsError
from synfer_core.models.experts import Expert
from synfer_core.panel import FILE, Ballot
from synfer_core.training import experts
from synfer_core.training.experts import Invited
from synfer_core.training.feranno import readable
from tests.models import test_onnx_classifier as onnx
from tests.models.test_experts import write_readers
from tests.test_calibration import copied, write_feranno
from tests.training.tiny import write_faces

EVEN = Expert("feranno", "a" * 64, lambda images: np.full((len(images), 8), 1 / 8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "data", size=64, identities=20)


def test_experts_are_weighed_and_the_file_is_read_back(
    tiny_model_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    folder = copied(tiny_model_folder, tmp_path / "models")
    write_feranno(folder)
    write_readers(folder)
    onnx.write(folder / "outside")
    options = ["--models", str(folder), "--data", str(data), "--expert", "colours=outside"]
    assert cli.main(["experts", "fit", *options]) == 0
    said = capsys.readouterr().out
    assert "asking colours about 32 images" in said
    assert "32 validation images of 4 people" in said
    ballot = Ballot.load(folder / FILE)
    assert set(ballot.seats) == {"feranno", "classifier", "au-rules", "colours"}
    assert ballot.seats["colours"].source == "outside", "a folder of weights can be moved"
    assert len(ballot.votes) == 9
    panel = Annotator.load(folder, readable(folder)).panel
    assert panel is not None
    assert set(panel.experts) == set(ballot.seats)


def test_label_files_and_names_are_checked(tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"a": "fear", "b": None}))
    found = experts.invited({"vit": "where"}, {"vit": str(labels)}, mediapipe=True)
    assert found.mediapipe
    assert found.outsiders["vit"].labels == {"a": "fear", "b": None}
    with pytest.raises(RequestError, match="feranno is taken"):
        experts.invited({"feranno": "where"}, {})
    with pytest.raises(RequestError, match="there is no expert other"):
        experts.invited({"vit": "where"}, {"other": str(labels)})
    labels.write_text('{"a": "boredom"}')
    with pytest.raises(RequestError, match="no label map"):
        experts.invited({"vit": "where"}, {"vit": str(labels)})


def test_people_of_the_training_data_and_nobody_at_all_are_refused(
    data: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="identities are also in"):
        experts.fit(tmp_path, {"feranno": EVEN}, Invited(), [data], apart_from=[data])
    with pytest.raises(WeightsError, match="no expert here"):
        experts.fit(tmp_path, {}, Invited(), [data])


def test_an_expert_that_knows_nothing_confirms_everything_and_replaces_nothing(
    data: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    ballot = experts.fit(tmp_path, {"feranno": EVEN}, Invited(), [data], limit=20, tell=told.append)
    assert ballot.images == 20
    assert told == ["asking feranno about 20 images"]
    assert ballot.all.confirm == pytest.approx(1 / 8)
    assert ballot.all.relabel is None
    assert experts.lines(ballot)[-1].endswith("replaced never")
