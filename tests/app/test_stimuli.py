"""The tab for stimulus sets, without a browser: its form, its thread and its ZIP file."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app import shelf
from app.jobs import JobQueue
from app.settings import Settings
from app.ui.stimuli import FIRST, Stimuli, spec_of
from app.ui.stimuli_form import form_html, stage_html
from app.ui.stimuli_kept import BegunSets
from app.ui.stimuli_skin import ACROSS
from app.ui.values import page_name
from synfer_core.errors import CancelledError, RequestError
from synfer_core.models.backbone import Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe
from synfer_core.stimuli import skin
from synfer_core.stimuli.align import Points, eyes_seen
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.synthesizer import Synthesizer
from tests.app.test_ui import check_markup
from tests.app.visiting import visitor, walk
from tests.stimuli.drawn import ORIGIN, draw, face

SMALL: dict[str, Any] = {
    **FIRST,
    "identities": "4",
    "expressions": ["anger"],
    "step": 100,
    "recipe": {"text": "", "seed": "3", "steps": 2},
    "treatment": {"align": "none", "crop": "oval", "greyscale": True, "match": "none"},
    "about": {"title": "Angry people!"},
}


@pytest.fixture
def tab(synthesizer: Synthesizer, queue: JobQueue, reading_folder: Any) -> Iterator[Stimuli]:
    one = Stimuli(synthesizer, queue, Settings(models=reading_folder))
    yield one
    one.leave(visitor())


def zip_of(tab: Stimuli, value: dict[str, Any]) -> bytes:
    data = b""
    while len(data) < value["bytes"]:
        part = tab.shelf.read_part(
            {"token": value["token"], "name": value["file"], "at": len(data)}
        )
        data += base64.b64decode(part["data"])
    return data


def test_a_form_becomes_a_specification() -> None:
    spec = spec_of(
        {
            **FIRST,
            "identities": "1, 7-9",
            "mixes": "smirk = R12C+R14B\n\npout=18D\n",
            "recipe": {"text": "plain background", "seed": str(2**60)},
        }
    )
    assert [person.seed for person in spec.identities] == [1, 7, 8, 9]
    assert spec.mixes == {"smirk": "R12C+R14B", "pout": "18D"}
    assert spec.recipe["seed"] == 2**60
    assert spec.about.title == "Untitled stimulus set"
    assert isinstance(spec_of(FIRST), StimulusSet)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identities": ""}, "identities"),
        ({"identities": "1, x"}, "identities"),
        ({"identities": "9-3"}, "identities"),
        ({"identities": "1-999999999"}, "identities"),
        ({"mixes": "smirk"}, "mixes"),
        ({"mixes": "a = 12C\na = 14C"}, "mixes"),
        ({"mixes": "a = 12Z"}, "mixes.a"),
        ({"expressions": []}, "expressions"),
        ({"recipe": {"seed": "many"}}, "recipe.seed"),
        ({"hat": 1}, "hat"),
    ],
)
def test_what_is_wrong_in_the_form_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        spec_of({**FIRST, **change})
    assert caught.value.field == field
    with pytest.raises(RequestError):
        spec_of(None)


def test_the_markup_is_whole_and_every_field_has_a_place() -> None:
    for markup in (form_html(), stage_html()):
        check_markup(markup)
    for field in ("identities", "step", "treatment.crop", "files.template", "about.licence"):
        assert f'data-set="{field}"' in form_html()
        assert f'data-error-for="{field}"' in form_html()


def test_a_set_is_built_and_fetched_in_parts(tab: Stimuli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PART_BYTES", 1000)
    updates = asyncio.run(walk(tab.build(SMALL, visitor())))
    value, notice = updates[-1]
    assert notice is None
    assert (value["phase"], value["file"]) == ("done", "angry-people.zip")
    assert any("identity reader" in note for note in value["notes"])
    assert updates[0][0]["status"] == "Starting"
    with zipfile.ZipFile(io.BytesIO(zip_of(tab, value))) as file:
        assert file.testzip() is None
        names = file.namelist()
    assert [n for n in names if n.startswith("images/")] == [
        "images/001_neutral_000_front.png",
        "images/001_anger_100_front.png",
    ]
    assert {"stimuli.csv", "conditions.csv", "methods.md", "datasheet.md"} < set(names)
    assert tab.queue.jobs() == (), "nothing of it is kept in the queue"


def test_a_set_goes_with_its_page_and_with_the_next_set(tab: Stimuli) -> None:
    first, _ = asyncio.run(walk(tab.build(SMALL, visitor())))[-1]
    second, _ = asyncio.run(walk(tab.build(SMALL, visitor())))[-1]
    wanted = {"token": second["token"], "name": second["file"], "at": 0}
    read = tab.shelf.read_part
    assert "error" in read({**wanted, "token": first["token"]})
    assert "error" in read({**wanted, "name": "other.zip"})
    assert "data" in read(wanted)
    tab.leave(visitor("other"))
    assert "data" in read({**wanted, "at": "x"})
    tab.leave(visitor())
    assert "error" in read(wanted)
    assert "error" in read(None)


def test_errors_are_told_and_nothing_starts(tab: Stimuli) -> None:
    [(value, notice)] = asyncio.run(walk(tab.build({**SMALL, "identities": "x"}, visitor())))
    assert (value["phase"], notice["field"]) == ("stopped", "identities")
    many = {**SMALL, "identities": "1-501"}
    [(_, notice)] = asyncio.run(walk(tab.build(many, visitor())))
    assert "at most 1,000 here" in notice["allowed"]


class Drawn:
    """An exact renderer whose faces are drawn: person 1 is lighter than person 8."""

    capabilities = ORIGIN

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        assert recipe.size == skin.SIZE
        yield Progress(0, 1, "drawing")
        yield Generation(face(recipe.identity_seed or 0, 0), AttentionMaps())


def test_matching_across_people_is_warned_of_with_figures(tab: Stimuli) -> None:
    exact: Any = {"facekit": Drawn()}
    tab.synthesizer = replace(tab.synthesizer, backbones={**tab.synthesizer.backbones, **exact})

    def warned(people: str, match: str, over: str) -> str:
        treatment = {**FIRST["treatment"], "match": match, "match_over": over}
        form = {**SMALL, "identities": people, "treatment": treatment}
        return asyncio.run(tab.warn_of_skin(form))["text"]

    text = warned("1, 8", "mean_sd", "set")
    found = re.search(r"dark skin .* person (\d) \(seed (\d)\), from (\d+) to (\d+) ", text)
    assert found is not None
    before, after = map(int, found.groups()[2:])
    assert found.groups()[:2] in {("1", "1"), ("2", "8")}
    assert abs(before - after) >= 1
    assert warned("1, 8", "mean_sd", "person") == ""
    assert warned("1, 8", "none", "set") == ""
    assert warned("1", "mean_sd", "set") == ""
    assert warned("what", "mean_sd", "set") == ""
    assert tab.queue.jobs() == ()


def test_without_the_exact_renderer_the_warning_has_no_figures(tab: Stimuli) -> None:
    alone = {"builtin": tab.synthesizer.backbones["builtin"]}
    tab.synthesizer = replace(tab.synthesizer, backbones=alone)
    treatment = {**FIRST["treatment"], "match": "mean_sd", "match_over": "set"}
    form = {**SMALL, "identities": "1, 2", "treatment": treatment}
    assert asyncio.run(tab.warn_of_skin(form))["text"] == ACROSS


def test_nothing_is_done_to_faces_unless_asked() -> None:
    treatment = spec_of(FIRST).treatment
    assert (treatment.match, treatment.match_over) == ("none", "person")
    assert (treatment.crop, treatment.fill, treatment.greyscale) == ("none", None, False)


def test_missing_eyes_are_told_beside_the_choice(
    tab: Stimuli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(*_: object) -> Points:
        return eyes_seen(np.zeros((128, 128, 3), np.uint8), lambda image: ())

    monkeypatch.setattr("synfer_core.stimuli.tools.eyes_seen", unseen)
    wanted = {**SMALL, "treatment": {"align": "eyes"}}
    value, notice = asyncio.run(walk(tab.build(wanted, visitor())))[-1]
    assert (value["phase"], notice["field"]) == ("stopped", "treatment.align")


def test_cancelling_stops_the_set(tab: Stimuli) -> None:
    async def run() -> list[tuple[Any, Any]]:
        updates = []
        slow = {**SMALL, "recipe": {"seed": "0", "steps": 100}}
        async for update in tab.build(slow, visitor()):
            updates.append(update)
            tab.cancel(visitor())
        return updates

    value, notice = asyncio.run(run())[-1]
    assert (value["status"], notice) == ("Cancelled; nothing was kept.", None)
    assert tab.queue.jobs() == ()


def stopped_after(tab: Stimuli, images: int, form: dict[str, Any]) -> dict[str, Any]:
    """The stage of a set that is cancelled once so many images are made."""

    async def run() -> dict[str, Any]:
        value: dict[str, Any] = {}
        async for value, _ in tab.build(form, visitor()):
            if value["phase"] == "running" and value["done"] >= images:
                tab.cancel(visitor())
        return value

    return asyncio.run(run())


LONGER = {**SMALL, "identities": "4, 5", "expressions": ["anger", "fear"], "step": 50}


def counted(tab: Stimuli, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that are made from here on."""
    made: list[Recipe] = []
    stream = type(tab.synthesizer).stream

    def counting(one: Synthesizer, recipe: Recipe) -> Iterator[Any]:
        made.append(recipe)
        return stream(one, recipe)

    monkeypatch.setattr(type(tab.synthesizer), "stream", counting)
    return made


def test_a_cancelled_set_goes_on_where_it_was(
    tab: Stimuli, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted(tab, monkeypatch)
    value = stopped_after(tab, 4, LONGER)
    kept = value["done"]
    assert value["phase"] == "paused"
    assert 4 <= kept < 10
    assert f"{kept} of 10 images are kept" in value["status"]
    before = len(made)
    value, notice = asyncio.run(walk(tab.resume(visitor())))[-1]
    assert (value["phase"], value["more"], notice) == ("done", False, None)
    assert len(made) - before == 10 - kept, "nothing is made twice"
    whole = table_of(zip_of(tab, value))
    straight, _ = asyncio.run(walk(tab.build(LONGER, visitor())))[-1]
    assert whole == table_of(zip_of(tab, straight))
    assert tab.begun.get(page_name(visitor())) is None, "a whole set leaves nothing behind"


def table_of(data: bytes) -> list[tuple[str, str]]:
    """Files and the hashes of their pixels."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        rows = csv.DictReader(io.StringIO(file.read("stimuli.csv").decode()))
        return [(row["file"], row["pixels_sha256"]) for row in rows]


def test_what_is_there_makes_an_incomplete_set_that_says_so(tab: Stimuli) -> None:
    stopped_after(tab, 4, LONGER)
    value, _ = asyncio.run(walk(tab.part(visitor())))[-1]
    assert (value["phase"], value["more"]) == ("done", True)
    assert value["file"] == "angry-people-incomplete.zip"
    data = zip_of(tab, value)
    rows = table_of(data)
    assert 4 <= len(rows) < 10
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert len([n for n in file.namelist() if n.endswith(".png")]) >= len(rows)
        for name in ("methods.md", "datasheet.md"):
            assert f"incomplete: {len(rows)} of 10 images" in file.read(name).decode()
    value, _ = asyncio.run(walk(tab.resume(visitor())))[-1]
    assert len(table_of(zip_of(tab, value))) == 10


def test_a_cancelled_set_goes_with_its_page(tab: Stimuli) -> None:
    stopped_after(tab, 4, LONGER)
    begun = tab.begun.get(page_name(visitor()))
    assert begun is not None
    tab.leave(visitor())
    assert len(begun.store) == 0
    with pytest.raises(CancelledError):
        begun.store.make(begun.plan.stimuli[0].recipe, draw)
    [(value, notice)] = asyncio.run(walk(tab.resume(visitor())))
    assert (value["phase"], notice["field"]) == ("stopped", "identities")


def test_only_so_many_stopped_sets_wait() -> None:
    plan = Plan.of(spec_of(SMALL))
    sets = BegunSets(lambda page: page == "runs")
    sets.begin("runs", plan)
    for page in "abcd":
        sets.begin(page, plan)
    assert [page for page in ("runs", *"abcd") if sets.get(page)] == ["runs", *"bcd"]
    mine = sets.begin("d", plan)
    assert sets.begin("d", plan).store is mine.store, "equal plans take images over"
    other = Plan.of(spec_of({**SMALL, "identities": "5"}))
    assert sets.begin("d", other).store is not mine.store
    for page in ("runs", *"bcd"):
        sets.drop(page)


def test_a_full_queue_is_waited_for(tab: Stimuli, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def block() -> Iterator[Progress]:
        yield Progress(0, 1, "waiting")
        assert free.wait(20)

    jobs = [tab.queue.submit(block, owner="other") for _ in range(3)]
    threading.Timer(0.5, free.set).start()
    value, _ = asyncio.run(walk(tab.build(SMALL, visitor())))[-1]
    assert value["phase"] == "done"
    assert len(jobs) == 3


def test_only_so_many_sets_are_built_at_once(tab: Stimuli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab.errands, "most", 0)
    [(value, notice)] = asyncio.run(walk(tab.build(SMALL, visitor())))
    assert value["phase"] == "stopped"
    assert "other sets" in notice["message"]
