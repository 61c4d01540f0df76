"""The gallery of people, without a browser: filters, balance, pictures."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.jobs import JobQueue
from app.ui.people import HAIR, PAGE, SPAN, THUMB, Gallery, gallery_html
from synfer_core.facekit.demographics import FACTORS, traits_of
from synfer_core.models.backbone import Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.app.test_ui import check_markup


class Painter:
    """Draws a person as a grey level, its seed, and counts what it drew."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        assert recipe.identity_seed is not None
        self.drawn.append(recipe.identity_seed)
        yield Progress(0, 1, "drawing")
        level = recipe.identity_seed % 256
        yield Generation(np.full((THUMB, THUMB, 3), level, np.uint8), AttentionMaps())


@pytest.fixture
def painter(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> Painter:
    one = Painter()
    monkeypatch.setitem(synthesizer.backbones, "facekit", one)  # type: ignore[arg-type]
    return one


def asked(gallery: Gallery, function: int, wanted: object) -> dict[str, Any]:
    answer: dict[str, Any] = asyncio.run(gallery.server_functions()[function](wanted))
    return answer


def level(url: str) -> int:
    data = base64.b64decode(url.split(",")[1])
    return int(np.asarray(Image.open(io.BytesIO(data)).convert("L"))[0, 0])


def test_the_markup_is_whole() -> None:
    check_markup(gallery_html())
    grouped = [style for styles in HAIR.values() for style in styles]
    assert sorted(grouped) == sorted(FACTORS["hair"])


def test_people_come_with_their_faces_once_drawn_and_then_kept(
    synthesizer: Synthesizer, queue: JobQueue, painter: Painter
) -> None:
    gallery = Gallery(synthesizer, queue)
    first = asked(gallery, 0, {"first": 40})
    seeds = [int(person["seed"]) for person in first["people"]]
    assert seeds == list(range(40, 40 + PAGE))
    assert (first["whole"], first["next"]) == (True, 40 + PAGE)
    for person in first["people"]:
        assert abs(level(person["picture"]) - int(person["seed"])) <= 2
        assert traits_of(int(person["seed"]))["sex"] in person["told"]
    asked(gallery, 0, {"first": 41})
    assert painter.drawn == [*seeds, 40 + PAGE]
    assert queue.jobs() == ()


def test_filters_leave_those_who_fit_and_say_where_the_search_ended(
    synthesizer: Synthesizer, queue: JobQueue, painter: Painter
) -> None:
    wanted = {"sex": "man", "age": "older", "skin_tone": "very deep", "hair": "long"}
    found = asked(Gallery(synthesizer, queue), 0, {"first": 1, "filters": wanted})
    assert len(found["people"]) < PAGE
    assert not found["whole"]
    assert found["next"] == 1 + SPAN
    for person in found["people"]:
        traits = traits_of(int(person["seed"]))
        assert (traits["sex"], traits["age"]) == ("man", "older")
        assert traits["hair"] in HAIR["long"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (None, "first"),
        ({"first": 0}, "first"),
        ({"first": "1"}, "first"),
        ({"first": 1, "filters": {"hair": "green"}}, "hair"),
        ({"first": 1, "filters": {"sex": "robot"}}, "sex"),
    ],
)
def test_what_is_wrong_is_named(
    synthesizer: Synthesizer, queue: JobQueue, wanted: object, field: str
) -> None:
    assert asked(Gallery(synthesizer, queue), 0, wanted)["error"]["field"] == field


def test_balanced_people_are_taken_as_numbers_in_text(
    synthesizer: Synthesizer, queue: JobQueue
) -> None:
    gallery = Gallery(synthesizer, queue)
    seeds = asked(gallery, 2, {"count": 4, "balance": ["sex"]})["seeds"]
    sexes = sorted(traits_of(int(seed))["sex"] for seed in seeds)
    assert sexes == ["man", "man", "woman", "woman"]
    for wanted, field in (
        ({"count": 4, "balance": []}, "identities.balance"),
        ({"count": 1001, "balance": ["sex"]}, "identities.count"),
        ({"count": 1.5, "balance": ["sex"]}, "identities.count"),
    ):
        error = asked(gallery, 2, wanted)["error"]
        assert error["field"] == field, error
    assert (
        "1 to 1,000" in asked(gallery, 2, {"count": 1001, "balance": ["sex"]})["error"]["allowed"]
    )
