from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import WeightsError
from synfer_core.evaluation import gauges
from synfer_core.evaluation.control_plan import UNITS
from synfer_core.evaluation.gauges import MEDIAPIPE_UNITS, both_sides, codes, mediapipe_units
from synfer_core.facs import AU_SLOTS, to_slots
from synfer_core.models.identity_reader import IdentityReader, IdentityReaderConfig
from synfer_core.request import Recipe
from tests.evaluation.painted import Painter, detect


def test_units_are_the_mean_of_their_sides() -> None:
    slots = 5 * np.array([to_slots({"AUL12": 4.0, "AU25": 3.0})], np.float32)
    units = dict(zip(UNITS, both_sides(slots)[0], strict=True))
    assert units["AU12"] == pytest.approx(2)
    assert units["AU25"] == pytest.approx(3)
    assert len(units) == len(UNITS) < len(AU_SLOTS)


def test_mediapipe_reads_the_units_of_its_table() -> None:
    asked = {"AU12": 3.0, "AU1": 2.0, "AU27": 4.0}
    face, neutral = (detect(Painter().paint(Recipe(aus=aus)))[0] for aus in (asked, {}))
    read = dict(zip(MEDIAPIPE_UNITS, mediapipe_units(face, neutral), strict=True))
    for key, value in asked.items():
        assert read[key] == pytest.approx(value, abs=0.1), key
    assert read["AU26"] == 0
    assert "AU6" not in read


def test_codes_come_in_batches() -> None:
    torch.manual_seed(0)
    config = IdentityReaderConfig(input_size=32, widths=(8, 8), depths=(1, 1))
    reader = IdentityReader(config).eval()
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    read = codes(reader, images)
    assert read.shape[0] == 40
    np.testing.assert_allclose(read[35:], codes(reader, images[35:]), atol=1e-5)


def test_missing_readers_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no judge here"):
        gauges.Gauges.load(tmp_path)
