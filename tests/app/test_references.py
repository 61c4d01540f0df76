from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.ui.references import joined, reference_reader, thumbs
from synfer_core import conditioning, editing, samples
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

FACE = Recipe.parse({"aus": {"AU12": 3.0, "AUL4": 1.0}, "identity_seed": 5, "steps": 2})


def sent(data: bytes) -> dict[str, str]:
    return {"name": "face.png", "data": base64.b64encode(data).decode()}


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "tan").save(buffer, "PNG")
    return buffer.getvalue()


def read(synthesizer: Synthesizer, what: object) -> dict[str, Any]:
    return reference_reader(synthesizer, 1)(what)


def test_a_finished_face_knows_what_it_shows_and_who_it_is(synthesizer: Synthesizer) -> None:
    made = synthesizer.generate(FACE)
    answer = read(synthesizer, sent(made.to_png()))
    assert answer["aus"] == {"AUL4": 1.0, "AU12": 3.0}
    code, _ = conditioning.identity_code(FACE)
    np.testing.assert_allclose(answer["person"], code[0])
    shown = made.export().pixels
    np.testing.assert_array_equal(editing.pixels_of(answer["reference"], 128), shown)
    assert answer["picture"].startswith("data:image/webp")
    edited = synthesizer.generate(Recipe(reference=answer["reference"], steps=2))
    nested = read(synthesizer, sent(edited.to_png()))
    assert len(nested["reference"]) < 2 * len(answer["reference"]), "no recipe within a recipe"


def test_an_uploaded_face_is_read_and_nobody_is_assumed(synthesizer: Synthesizer) -> None:
    answer = read(synthesizer, sent(png(128)))
    assert answer["person"] is None
    assert all(0 < value <= 5 for value in answer["aus"].values())


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "no file arrived"),
        (sent(b"text"), "not an image"),
        (sent(bytes(1_100_000)), "too large"),
        ({"sample": "nobody"}, "no sample"),
        ({"sample": 7}, "no file arrived"),
    ],
)
def test_what_cannot_be_edited_is_answered_beside_the_choice(
    synthesizer: Synthesizer, what: object, message: str
) -> None:
    error = read(synthesizer, what)["error"]
    assert error["field"] == "reference"
    assert message in error["message"]


def test_every_sample_is_offered_by_its_name() -> None:
    assert [thumb.name for thumb in thumbs()] == [sample.name for sample in samples.shipped()]
    assert all(len(thumb.url) < 8_000 for thumb in thumbs())


def test_sides_that_are_alike_share_a_slider() -> None:
    aus = {"AUL12": 2.0, "AUR12": 2.3, "AUL4": 0.0, "AUR4": 3.04, "AU17": 0.04, "AU25": 1.26}
    assert joined(aus) == {"AUR4": 3.0, "AU12": 2.1, "AU25": 1.3}
