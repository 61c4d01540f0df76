"""The files of a continuum."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from synfer_core.morphs.export import COLUMNS, export, lines
from synfer_core.morphs.making import Making, Morph
from synfer_core.morphs.spec import Continuum
from synfer_core.provenance import metadata, reading, watermark
from synfer_core.provenance.export import pixels_sha256
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.stimuli.store import MemoryStore
from tests.morphs.drawn import morph
from tests.stimuli.drawn import TOOLS, tools
from tests.stimuli.sets import Files


@pytest.fixture(scope="module")
def made() -> Morph:
    return morph(tools(threshold=0.9), apex="L12E+25D")


def written(made: Morph, marking: Marking) -> dict[str, bytes]:
    sink = Files()
    moving = export(made, sink, marking)
    assert set(moving) == {"morph.gif", "morph.webp", "morph.mp4"}
    assert all(sink.files[name] == data for name, data in moving.items())
    return sink.files


def test_frames_carry_recipe_and_marks(made: Morph) -> None:
    files = written(made, Marking())
    assert [n for n in files if n.startswith("frames/")] == [f"frames/00{i}.png" for i in range(5)]
    known = reading.read(files["frames/003.png"])
    assert known.recipe == made.frames[3].made.recipe
    assert known.tag_agrees
    assert known.pixels_agree
    with Image.open(io.BytesIO(files["morph.webp"])) as picture:
        picture.seek(3)
        mark = watermark.find(np.array(picture.convert("RGB")))
        origin = metadata.parse_xmp(picture.info["xmp"])
    assert mark.found
    assert origin
    assert (origin.term, origin.recipe_sha256) == ("trainedAlgorithmicMedia", None)


def test_without_marks_the_pixels_are_as_they_were_made(made: Morph) -> None:
    files = written(made, PLAIN)
    for name in ("frames/000.png", "morph.webp"):
        with Image.open(io.BytesIO(files[name])) as picture:
            assert (np.array(picture.convert("RGB")) == made.frames[0].made.image).all()


def test_the_table_says_what_was_asked_and_measured(made: Morph) -> None:
    rows = list(csv.DictReader(io.StringIO(written(made, PLAIN)["frames.csv"].decode())))
    asked = ["asked_AUL12", "asked_AU25"]
    assert set(rows[0]) == {*COLUMNS, *asked}
    last = rows[-1]
    assert (last["asked_AUL12"], last["asked_AU25"], last["facs"]) == ("5.0", "4.0", "L12E+25D")
    assert (last["measured_AUL12"], last["ms"], last["moment"]) == ("5.0", "200.0", "1.0")
    assert rows[0]["difference"] == ""
    assert float(last["difference"]) == made.evenness.differences[-1]
    assert last["pixels_sha256"] == pixels_sha256(made.frames[-1].made.image)
    assert {row["identity_drift"] for row in rows} == {"0"}


def test_the_report_names_the_largest_jump_and_who_drifts(made: Morph) -> None:
    report = json.loads(written(made, PLAIN)["report.json"])
    assert report["evenness"]["largest"] == max(made.evenness.differences)
    assert report["identity"]["flagged_frames"] == []
    assert "nobody drifts (threshold 0.900)" in lines(made)
    strict = morph(tools(threshold=1.0), even=True)
    told = "\n".join(lines(strict))
    assert f"into frame {strict.evenness.place}" in told
    assert "at equal moments it would be" in told
    assert "the person drifts in frames 1, 2, 3, 4" in told


def test_the_specification_in_the_files_makes_the_same_frames_again(made: Morph) -> None:
    again = Continuum.parse(json.loads(written(made, PLAIN)["continuum.json"]))
    assert again == made.continuum
    remade = Making(again, TOOLS, MemoryStore()).make(lambda _: None)
    for one, other in zip(made.frames, remade.frames, strict=True):
        assert (one.made.image == other.made.image).all()
