from __future__ import annotations

import json

import numpy as np
import pytest

from synfer_core.facs import AU_SLOTS, EXPRESSIONS, PROTOTYPES, to_slots
from synfer_core.models import au_rules
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.classifier import MIRRORED_SLOTS
from synfer_core.synthesizer import DEFAULT_FOLDER


def slots(expression: str, strength: float = 1.0) -> np.ndarray:
    return np.array([to_slots(PROTOTYPES[expression])]) * 5 * strength


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("strength", [0.5, 1.0, 1.2])
def test_each_prototype_is_read_as_itself_at_any_strength(expression: str, strength: float) -> None:
    read = au_rules.probabilities(slots(expression, strength))
    assert read.shape == (1, 8)
    assert read.sum() == pytest.approx(1)
    assert EXPRESSIONS[read.argmax()] == expression
    assert read.max() > 0.3


def test_a_one_sided_prototype_may_be_on_either_side() -> None:
    contempt = slots("contempt")
    read, mirrored = (
        au_rules.probabilities(a) for a in (contempt, contempt[:, list(MIRRORED_SLOTS)])
    )
    np.testing.assert_allclose(read, mirrored)


def test_noise_on_a_still_face_is_neutral() -> None:
    noise = np.random.default_rng(0).uniform(0, 0.25, (20, len(AU_SLOTS)))
    assert (au_rules.probabilities(noise).argmax(1) == 0).all()


def test_what_is_closer_to_a_prototype_is_likelier() -> None:
    fear, surprise = slots("fear"), slots("surprise")
    steps = [au_rules.probabilities(fear * (1 - t) + surprise * t)[0] for t in (0, 0.3, 0.6, 1)]
    as_fear = [float(p[EXPRESSIONS.index("fear")]) for p in steps]
    assert as_fear == sorted(as_fear, reverse=True)
    assert as_fear[0] > 2 * as_fear[-1]


def test_units_that_are_not_seen_count_nowhere() -> None:
    seen = au_rules.slots_seen(("AU12", "AU26"))
    assert [s for s, yes in zip(AU_SLOTS, seen, strict=True) if yes] == ["AUL12", "AUR12", "AU26"]
    smile = slots("happiness")
    read = au_rules.probabilities(smile, seen)
    assert EXPRESSIONS[read.argmax()] == "happiness"
    changed = smile.copy()
    changed[:, ~seen] = 5
    np.testing.assert_allclose(au_rules.probabilities(changed, seen), read)
    assert read[0, EXPRESSIONS.index("anger")] == pytest.approx(read[0, 0]), "both without AU12"


def test_the_hash_is_that_of_reader_and_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    first = au_rules.fingerprint("a")
    assert first == au_rules.fingerprint("a")
    assert first != au_rules.fingerprint("b")
    monkeypatch.setattr(au_rules, "SOFTNESS", 0.3)
    assert first != au_rules.fingerprint("a")


def test_the_rules_are_those_that_the_shipped_votes_were_fitted_with() -> None:
    seat = json.loads((DEFAULT_FOLDER / "experts.json").read_text())["seats"]["au-rules"]
    reader = file_sha256(DEFAULT_FOLDER / "au-reader.safetensors")
    assert au_rules.fingerprint(reader) == seat["sha256"]
