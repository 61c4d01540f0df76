"""Every claim of the methods paragraph, checked against the images of a small exact set."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synfer_core.facekit import Renderer
from synfer_core.faces.landmarks import shared_landmarker
from synfer_core.facs import parse_facs
from synfer_core.models.backbone import Generation
from synfer_core.models.exact import ExactBackbone
from synfer_core.report import AttentionMaps, Pixels, Result, read_recipe
from synfer_core.request import Recipe
from synfer_core.stimuli import masks
from synfer_core.stimuli.export import export
from synfer_core.stimuli.luminance import Luminance
from synfer_core.stimuli.making import Making
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools
from tests.stimuli.sets import Files

MADE, WRITTEN = 96, 192
SPEC: dict[str, Any] = {
    "identities": [1, 7],
    "expressions": ["happiness", "anger"],
    "step": 50,
    "recipe": {"backbone": "facekit", "size": MADE, "seed": 4, "text": "plain background"},
    "treatment": {
        "align": "eyes",
        "size": WRITTEN,
        "crop": "oval",
        "background": [90, 100, 110],
        "match": "mean_sd",
    },
}


@dataclass(frozen=True)
class Set:
    """A written set as its reader has it: text, table, and pictures with their recipes."""

    methods: str
    rows: dict[str, dict[str, str]]
    images: dict[str, Pixels]
    recipes: dict[str, Recipe]
    renderer: Renderer

    def claim(self, pattern: str) -> tuple[str, ...]:
        """What a sentence says; it has to be there."""
        found = re.search(pattern, self.methods)
        assert found is not None, f"the paragraph does not say: {pattern}"
        return found.groups()

    def measured(self, file: str) -> Luminance:
        """Luminance inside the oval of a picture, measured anew."""
        return Luminance.of(self.images[file], masks.whole(masks.oval(WRITTEN)))

    def of(self, subject: str) -> list[str]:
        """The pictures of a person."""
        return [name for name, row in self.rows.items() if row["subject"] == subject]


def exact_tools(exact: ExactBackbone) -> Tools:
    """Renders, and eyes from the geometry; nobody reads."""

    def generate(recipe: Recipe) -> Result:
        *_, made = exact.stream(exact.check(recipe))
        assert isinstance(made, Generation)
        return Result(recipe, made.image, None, (), AttentionMaps(), {})

    return Tools(
        generate=generate,
        maker="exact",
        check=exact.check,
        model_sha256=lambda _: exact.sha256,
        origin=lambda _: exact.capabilities,
        eyes=lambda recipe, _: exact.eyes(recipe),
    )


def written(exact: ExactBackbone, **treatment: Any) -> Set:
    spec = {**SPEC, "treatment": {**SPEC["treatment"], **treatment}}
    sink = Files()
    making = Making(Plan.of(StimulusSet.parse(spec)), exact_tools(exact), MemoryStore())
    export(making, sink, lambda _: None)
    pngs = {n.removeprefix("images/"): d for n, d in sink.files.items() if n.startswith("images/")}
    rows = csv.DictReader(io.StringIO(sink.files["stimuli.csv"].decode()))
    return Set(
        sink.files["methods.md"].decode(),
        {row["file"]: row for row in rows},
        {n: np.array(Image.open(io.BytesIO(d)).convert("RGB")) for n, d in pngs.items()},
        {n: read_recipe(d) for n, d in pngs.items()},
        exact.renderer,
    )


@pytest.fixture(scope="module")
def exact() -> ExactBackbone:
    return ExactBackbone(Renderer.load(), 128)


@pytest.fixture(scope="module")
def made(exact: ExactBackbone) -> Set:
    return written(exact)


def test_number_size_colour_and_people(made: Set) -> None:
    count, colour, width, height, people = made.claim(
        r"Stimuli were (\d+) (\w+) images \((\d+) x (\d+) pixels\) of (\d+) synthetic identities"
    )
    assert int(count) == len(made.images) == len(made.rows) == 10
    assert {image.shape for image in made.images.values()} == {(int(height), int(width), 3)}
    assert int(people) == len({recipe.identity_seed for recipe in made.recipes.values()})
    grey = all((np.ptp(image, axis=-1) == 0).all() for image in made.images.values())
    assert (colour == "greyscale") == grey


def test_engine_and_its_hash(made: Set) -> None:
    (digest,) = made.claim(r"model: Exact 3D \(FaceKit\), SHA-256 ([0-9a-f]{64})")
    assert digest == made.renderer.sha256
    assert {recipe.backbone for recipe in made.recipes.values()} == {"facekit"}


def test_the_size_that_faces_were_made_at(made: Set) -> None:
    size, _, factor, wide, _ = made.claim(
        r"made at (\d+) x (\d+) pixels and enlarged ([\d.]+) times to (\d+) x (\d+), "
        "which adds no detail"
    )
    assert {recipe.size for recipe in made.recipes.values()} == {int(size)}
    assert float(factor) == int(wide) / int(size) == WRITTEN / MADE


def test_one_seed_draws_all(made: Set) -> None:
    (seed,) = made.claim(r"share the seed of the scene (\d+)")
    assert {recipe.seed for recipe in made.recipes.values()} == {int(seed)}


def test_action_units_and_intensities(made: Set) -> None:
    (listed,) = made.claim(r"at their apex: (.*?)\. Intensities")
    apexes = {n: parse_facs(f) for n, f in re.findall(r"(\w+) \(([\w+]+)\)", listed)}
    (steps,) = made.claim(r"Intensities are ([\d, ]+) % of the apex")
    percents = {int(step) for step in steps.split(",")}
    for file, row in made.rows.items():
        asked, percent = made.recipes[file].action_units, int(row["intensity"])
        apex = apexes.get(row["expression"], {})
        assert asked == pytest.approx({key: v * percent / 100 for key, v in apex.items()})
        assert percent in percents or (row["expression"], percent) == ("neutral", 0)
    assert {row["expression"] for row in made.rows.values()} == {"neutral", *apexes}


def test_eyes_lie_where_it_says_on_every_face(made: Set) -> None:
    left, right, height = (
        float(share) / 100
        for share in made.claim(r"level at ([\d.]+)% and ([\d.]+)% of the width and ([\d.]+)% of")
    )
    moves = {
        subject: {
            json.dumps(json.loads(made.rows[n]["treatment"])["move"]) for n in made.of(subject)
        }
        for subject in ("1", "2")
    }
    assert all(len(one) == 1 for one in moves.values()), "a person's images are moved alike"
    for file, row in made.rows.items():
        if row["expression"] == "neutral":
            eyes = shared_landmarker().detect(made.images[file])[0].eyes / WRITTEN
            assert eyes[:, 0] == pytest.approx([left, right], abs=0.012)
            assert eyes[:, 1] == pytest.approx([height, height], abs=0.012)


def test_the_background_is_plain_and_of_that_colour(made: Set) -> None:
    colour = tuple(map(int, made.claim(r"plain \(RGB \((\d+), (\d+), (\d+)\)\)")))
    outside = masks.oval(WRITTEN) == 0
    for image in made.images.values():
        assert (image[outside] == colour).all()


def test_luminance_is_matched_as_it_says(made: Set) -> None:
    (share,) = made.claim(r"each within ([\d.]+)%")
    for file, row in made.rows.items():
        target, now = json.loads(row["treatment"])["target"], made.measured(file)
        assert now.mean == pytest.approx(target["mean"], rel=float(share) / 100)
        assert now.sd == pytest.approx(target["sd"], rel=float(share) / 100)
        own = [float(made.rows[name]["luminance_mean_before"]) for name in made.of(row["subject"])]
        assert target["mean"] == pytest.approx(np.mean(own), abs=0.01)


def test_the_luminances_it_names_are_those_of_the_files(made: Set) -> None:
    low, high = map(float, made.claim(r"after, from ([\d.]+) to ([\d.]+) and"))
    means = [made.measured(file).mean for file in made.images]
    assert (min(means), max(means)) == pytest.approx((low, high), abs=0.06)


@pytest.mark.parametrize("over", ["person", "set"])
def test_what_it_says_of_skin(exact: ExactBackbone, over: str) -> None:
    one = written(exact, match_over=over)
    subject, seed, before, after = one.claim(r"person (\d+) \(seed (\d+)\), from (\d+) to (\d+)")
    mine = one.of(subject)
    assert {one.recipes[name].identity_seed for name in mine} == {int(seed)}
    assert float(after) == pytest.approx(np.mean([one.measured(n).mean for n in mine]), abs=0.6)
    changed = abs(float(after) - float(before))
    if over == "person":
        assert changed <= 1
        assert "nobody's skin was made lighter or darker" in one.methods
    else:
        assert changed > 5
        assert "Skin tone is not preserved" in one.methods
