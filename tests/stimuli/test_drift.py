from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import DataError, WeightsError
from synfer_core.models import identity_reader
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.identity_reader import IdentityReader, IdentityReaderConfig
from synfer_core.stimuli import drift
from synfer_core.stimuli.drift import FILE, READER, Threshold
from tests.stimuli.drawn import face, tools


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    torch.manual_seed(0)
    net = IdentityReader(IdentityReaderConfig(input_size=32, widths=(8, 8), depths=(1, 1)))
    identity_reader.save(net, folder / READER)
    return folder


@pytest.fixture
def folder(reader_folder: Path, tmp_path: Path) -> Path:
    shutil.copy(reader_folder / READER, tmp_path)
    return tmp_path


def test_the_threshold_is_where_errors_are_equal() -> None:
    rng = np.random.default_rng(0)
    same, different = rng.normal(0.8, 0.1, 4000), rng.normal(0.2, 0.1, 9000)
    found = Threshold.between(same, different, "x")
    assert found.value == pytest.approx(0.5, abs=0.03)
    assert found.missed == pytest.approx(found.confused, abs=0.002)
    assert (found.same, found.different) == (4000, 9000)


def test_shares_of_errors_are_counted() -> None:
    found = Threshold.between(np.array([0.1, 0.7, 0.8, 0.9]), np.array([0.0, 0.2, 0.3, 0.75]), "x")
    assert (found.value, found.missed, found.confused) == (0.5, 0.25, 0.25)


def test_a_threshold_needs_both_kinds() -> None:
    with pytest.raises(DataError):
        Threshold.between(np.array([0.5]), np.array([]), "x")


def test_without_a_reader_there_is_no_gauge(tmp_path: Path) -> None:
    gauge, why = drift.load(tmp_path)
    assert gauge is None
    assert "no identity reader" in why


def test_a_reader_counts_with_its_own_threshold_alone(folder: Path) -> None:
    gauge, why = drift.load(folder)
    assert gauge is not None
    assert gauge.threshold is None
    assert "No threshold" in why
    sha256 = file_sha256(folder / READER)
    Threshold(0.4, 0.1, 0.1, 10, 20, sha256).save(folder / FILE)
    gauge, why = drift.load(folder)
    assert gauge is not None
    assert (gauge.threshold, why) == (0.4, "")
    Threshold(0.4, 0.1, 0.1, 10, 20, "b" * 64).save(folder / FILE)
    gauge, why = drift.load(folder)
    assert gauge is not None
    assert gauge.threshold is None
    assert "another reader" in why


def test_a_damaged_threshold_is_refused(folder: Path) -> None:
    (folder / FILE).write_text('{"value": 3}')
    with pytest.raises(WeightsError) as caught:
        drift.load(folder)
    assert caught.value.field == FILE


def test_a_face_is_most_like_itself(folder: Path) -> None:
    read, _ = drift.load(folder)
    drawn = tools(threshold=0.9).identity
    assert read is not None
    assert drawn is not None
    for gauge in (read, drawn):
        assert gauge.similarity(face(1, 0), face(1, 0)) == pytest.approx(1.0, abs=1e-4)
    assert drawn.similarity(face(1, 3), face(1, 0)) > drawn.similarity(face(9, 0), face(1, 0))
