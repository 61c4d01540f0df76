from __future__ import annotations

import re

import pytest

from tests.stimuli import sets
from tests.stimuli.drawn import WEIGHTS, find_eyes, tools

ABOUT = {"title": "Smirks", "authors": "A. Author", "purpose": "To test.", "licence": "CC0"}


def test_what_people_suggest_is_counted() -> None:
    for text in documents():
        assert "apparent sex: woman 1, man 1" in text or "apparent sex: man 1, woman 1" in text
        assert "skin tone: " in text


def documents(threshold: float | None = None, **fields: object) -> tuple[str, str]:
    gauge = tools(detect=find_eyes, threshold=threshold)
    _, files = sets.written(gauge, about=ABOUT, **fields)
    return files["methods.md"].decode(), files["datasheet.md"].decode()


def test_the_paragraph_gives_what_a_reviewer_asks_for() -> None:
    methods, _ = documents()
    for words in (
        "10 colour images (80 x 80 pixels) of 2 synthetic identities",
        WEIGHTS,
        "No person was photographed",
        "happiness (6C+12D+25B); smirk (R12C)",
        "50, 100 % of the apex",
        "MediaPipe; Kartynnik et al., 2019",
        "Each identity's head was cut out",
        "lumMatch of the SHINE toolbox",
        "no human coder or rater has validated the images",
        "Identity similarity was not measured.",
    ):
        assert words in methods


ACROSS = {**sets.TREATMENT, "match_over": "set"}


def test_luminance_is_given_before_and_after() -> None:
    methods, _ = documents(treatment=ACROSS)
    found = re.search(
        r"average of the set \(([\d.]+) and ([\d.]+)\).*means ran from ([\d.]+) to ([\d.]+).*"
        r"after, from ([\d.]+)",
        methods,
    )
    assert found is not None
    mean, _, low, high, after = map(float, found.groups())
    assert low < mean < high
    assert after == pytest.approx(mean, rel=0.01)


def test_what_matching_does_to_skin_is_said_with_its_figures() -> None:
    for text in documents():
        assert "Matching was within each identity" in text
        assert "across identities" not in text
    for text in documents(treatment=ACROSS):
        found = re.search(
            r"\*\*Matching was across identities and changes how light their skin looks.* largest "
            r"change .* is that of person (\d) \(seed (\d)\), from (\d+) to (\d+)\.",
            text,
        )
        assert found is not None
        subject, seed, before, after = map(int, found.groups())
        assert (subject, seed) in {(1, 1), (2, 8)}
        assert before != after


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (64, "made at 64 x 64 pixels, the size of the images; with the alignment, enlargement"),
        (256, "made at 64 x 64 pixels and enlarged 4 times to 256 x 256, which adds no detail"),
        (160, "enlarged 2.5 times to 160 x 160, which adds no detail"),
    ],
)
def test_the_size_that_faces_were_made_at_is_named(size: int, words: str) -> None:
    for text in documents(treatment={"size": size}):
        assert words in text


def test_drift_is_told_with_its_threshold() -> None:
    methods, datasheet = documents(threshold=0.9, drift_threshold=1.0)
    assert "lie below the threshold of 1.00" in methods
    assert "- 001_happiness_100_front.png" in datasheet
    _, datasheet = documents(threshold=0.5)
    assert "## Images flagged for drift\n\nNone." in datasheet


def test_only_what_was_done_is_cited() -> None:
    methods, _ = documents(treatment={"align": "none"})
    assert "SHINE" not in methods
    assert "MediaPipe" not in methods
    assert "Luminance was not matched" in methods
    grey = {"greyscale": True, "crop": "oval", "match": "histogram"}
    methods, _ = documents(treatment=grey)
    assert "histMatch" in methods
    assert "greyscale images" in methods


def test_the_data_sheet_names_licence_and_files() -> None:
    _, datasheet = documents()
    assert datasheet.startswith("# Data sheet: Smirks\n\nA. Author\n")
    for words in ("CC0.", "ICT-FaceKit", "MIT licence", "To test.", "seeds 1, 8", "--from-csv"):
        assert words in datasheet
    assert "| `measured_AUL1` ... `measured_AUR43` | intensity measured, 0 to 5 |" in datasheet


def test_a_scene_of_ones_own_is_told() -> None:
    for text in documents(same_scene=False):
        assert "share a noise seed of that identity's own" in text
        assert "All images share" not in text
