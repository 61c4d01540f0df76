"""Stage `identity` on a data set in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import DataError
from synfer_core.facekit.identity import CODE_SIZE, IDENTITY_GROUPS
from synfer_core.models.identity_reader import IdentityReader, IdentityReaderConfig
from synfer_core.training import dataset
from synfer_core.training.identity import IdentityTraining, explained, train
from synfer_core.training.loop import Schedule
from tests.training.tiny import write_faces

TINY = IdentityTraining(IdentityReaderConfig(input_size=32, widths=(8, 8), depths=(1, 1)), batch=4)


def test_trains_writes_and_reads_back(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data")
    train(TINY, Schedule(0.003), data, tmp_path / "out")
    reader = IdentityReader.load(tmp_path / "out" / "identity.safetensors")
    faces = dataset.load(data, "val")
    code = reader.read(faces.images[0])
    assert len(code) == CODE_SIZE
    assert np.isfinite(code).all()
    assert explained(reader, faces).keys() == IDENTITY_GROUPS.keys()


def test_people_of_the_generator_are_refused(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data")
    with pytest.raises(DataError, match="10 identities"):
        train(TINY, Schedule(0.001), data, tmp_path / "out", apart_from=data)
