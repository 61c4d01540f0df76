"""Texts that stand for a great deal: refused before they are read, and nobody waits for it."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.paces import Paces
from app.schemas import page_recipe
from app.settings import Settings
from app.ui import data_build, data_recipe, grids, kept, morphs, people, sliders, stimuli
from app.ui.page import first_forms
from synfer_core.errors import SynferError
from synfer_core.synthesizer import Synthesizer
from tests.app.asking import Asking
from tests.processes import Running, healthy

MOST = 1.0
"""Seconds of work that reading a form may take, in its thread."""


@pytest.fixture(scope="module")
def asking(client: httpx.Client) -> Asking:
    return Asking(client)


def told(values: list[Any]) -> str:
    """The error among an event's values."""
    return " ".join(str(value) for value in values if isinstance(value, dict | list))


@pytest.mark.parametrize(
    ("seeds", "why"),
    [
        ("1-999, " * 6_300, "is too long"),
        ("0-0," * 5_900, "numbers"),
        (",".join(f"{10**9 + n}" for n in range(1000)), "5,000 images"),
    ],
)
def test_ranges_in_stimuli(attacked: Running, asking: Asking, seeds: str, why: str) -> None:
    form = {**asking.form("set-stimuli"), "identities": seeds, "expressions": ["anger"], "step": 25}
    with healthy(attacked):
        assert why in told(asking.ended("set-stimuli", "build", form))


@pytest.mark.parametrize("mark", ["[", "{", "- ", "? ", "a: {"])
@pytest.mark.parametrize("function", ["read_recipe", "write_recipe"])
def test_brackets_in_yaml(attacked: Running, asking: Asking, function: str, mark: str) -> None:
    text = (mark * 20_000)[:20_000]
    with healthy(attacked):
        answer = asking.call("data-data", function, {"text": text, "form": {}})
    assert "too deep" in answer.json()["error"]["message"]


def test_points_of_a_curve(attacked: Running, asking: Asking) -> None:
    form = asking.form("morph-morphs")
    # Written beforehand: to write it would hold up the thread that asks for the health.
    many = asking.message("morph-morphs", "make", {**form, "curve": points(500_000)})
    with healthy(attacked):
        assert asking.join(many).status_code == 413
        for curves in ({"curve": points(9_000)}, {"curves": {"AU12": points(9_000)}}):
            assert "points" in told(asking.ended("morph-morphs", "make", {**form, **curves}))
        apex = {f"AU{number}": 1.0 for number in range(9_000)}
        assert "keys" in told(asking.ended("morph-morphs", "make", {**form, "apex": apex}))


def points(count: int) -> dict[str, int]:
    return {f"x{number}": 1 for number in range(count)}


def test_uploads_are_decoded_before_they_wait(attacked: Running, client: httpx.Client) -> None:
    broken = b"\x89PNG\r\n\x1a\n" + bytes(100)
    with healthy(attacked):
        for path in ("annotate", "references"):
            answer = client.post(f"/api/v1/{path}", files={"image": ("a.png", broken)})
            assert (answer.status_code, answer.json()["error"]["type"]) == (422, "ImageError")
    assert client.get("/api/v1/health").json()["waiting"] == 0


HOSTILE: tuple[Any, ...] = (
    "1-1000," * 2_800,
    "[" * 20_000,
    "12C+" * 5_000,
    "9" * 20_000,
    "a=12C\n" * 3_000,
    points(1_000),
    {"balance": {"age": ["child"] * 1_000}, "count": 1000},
    [1] * 1_000,
    ["AU12"] * 1_000,
    10**300,
    -1,
    1e300,
)


def leaves(form: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of all values in a form, those that hold others too."""
    if place:
        yield place
    items = form.items() if isinstance(form, dict) else enumerate(form)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from leaves(value, (*place, key))
        else:
            yield (*place, key)


def put(form: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A form with another value at a place."""
    form = copy.deepcopy(form)
    inner = form
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return form


def readers(synthesizer: Synthesizer) -> dict[str, tuple[Callable[[Any], object], Any]]:
    """By name what reads a form of the page, and the form as it is at first."""
    backbones = synthesizer.capabilities
    panel, controls = first_forms(synthesizer)
    text = data_recipe.text_of({"title": "x", "counts": 8, **data_recipe.TEXT})
    data_form = data_recipe.form_of(data_recipe.spec_of(text, 100))
    films = morphs.Morphs(synthesizer, NoQueue(), Settings())  # type: ignore[arg-type]
    axes = {
        "rows": {"kind": "identity_seed", "values": "1,2", "unit": "", "intensity": ""},
        "columns": {"kind": "intensity", "values": "0,5", "unit": "AU12", "intensity": ""},
    }
    return {
        "studio": (
            lambda f: page_recipe(f["panel"], f["controls"], backbones),
            studio(synthesizer),
        ),
        "stimuli": (stimuli.spec_of, dict(stimuli.FIRST)),
        "morphs": (morphs.continuum_of, morphs.first((panel, controls), films)),
        "grids": (lambda f: grids.grid_of(f, backbones), {"base": studio(synthesizer), **axes}),
        "data": (lambda f: data_recipe.merged(text, f), data_form),
        "order": (
            lambda f: data_build.Order.of(f, Settings()),
            {"name": "x", "text": text, "table": {"data": ""}},
        ),
        "people": (people._balanced, {"count": 4, "balance": ["sex", "age"], "first_seed": 1}),
        "filters": (people._asked, {"first": 1, "filters": {"sex": "man"}}),
        "compare": (lambda f: kept.compare_recipes(f["texts"]), {"texts": ["{}", "{}"]}),
        "table": (lambda f: kept.asked_csv(f["rows"]), {"rows": [{"face": "a"}]}),
        "facs": (lambda f: sliders.read_facs(f["facs"]), {"facs": "12C"}),
    }


class NoQueue:
    """Stands for a queue where none is asked for anything."""

    paces = Paces()


def studio(synthesizer: Synthesizer) -> dict[str, Any]:
    panel, controls = first_forms(synthesizer)
    return {"panel": panel, "controls": controls}


@pytest.mark.parametrize(
    "name",
    [
        *("studio", "stimuli", "morphs", "grids", "data", "order"),
        *("people", "filters", "compare", "table", "facs"),
    ],
)
def test_no_field_takes_long(synthesizer: Synthesizer, name: str) -> None:
    read, form = readers(synthesizer)[name]
    for place in leaves(form):
        for hostile in HOSTILE[:: 3 if name == "data" else 1]:  # YAML is written slowly
            began = time.thread_time()
            with contextlib.suppress(SynferError):
                read(put(form, place, hostile))
            used = time.thread_time() - began
            assert used < MOST, (place, str(hostile)[:40], used)
