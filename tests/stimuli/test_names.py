from __future__ import annotations

import pytest

from synfer_core.errors import RequestError
from synfer_core.stimuli import names
from synfer_core.stimuli.spec import TEMPLATE

VALUES = {
    "subject": 3,
    "seed": 9,
    "expression": "anger",
    "intensity": 40,
    "view": "front",
    "index": 7,
}


def test_the_usual_template() -> None:
    assert names.render(TEMPLATE, [VALUES]) == ("003_anger_040_front.png",)


@pytest.mark.parametrize(
    "template",
    [
        "{subject.png",
        "{person}.png",
        "{subject!r}.png",
        "{expression:>9}.png",
        "{subject:999999d}.png",
        "{subject.real}.png",
        "{}.png",
        "../{subject}.png",
        "{subject}/{expression}.png",
        "{subject} {expression}.png",
        "{subject}.jpg",
        ".{subject}.png",
        "con.png",
        "a" * 150 + "{subject}.png",
    ],
)
def test_templates_that_make_no_safe_names(template: str) -> None:
    with pytest.raises(RequestError) as caught:
        names.render(template, [VALUES])
    assert caught.value.field == "files.template"


def test_two_images_cannot_have_one_name_on_any_system() -> None:
    values = [VALUES, {**VALUES, "expression": "Anger"}]
    with pytest.raises(RequestError, match="two images"):
        names.render("{subject}_{expression}.png", values)
