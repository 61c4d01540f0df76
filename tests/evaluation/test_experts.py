"""The measures of the vote, on faces whose first pixel holds their label."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synfer_core import cli
from synfer_core.errors import DataError
from synfer_core.evaluation import experts
from synfer_core.evaluation.experts import ALL, FIGURES, Asking, Hearing, Trial, Voter
from synfer_core.evaluation.feranno import CORRUPTED, Answers, Faces
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier
from synfer_core.models.experts import Expert
from synfer_core.panel import FILE, Ballot, Panel, Seat
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.voting import Vote
from tests.evaluation.test_feranno import drawn, with_test_split
from tests.models.test_experts import NET, shipped, write_readers
from tests.test_calibration import copied, write_feranno
from tests.test_panel import ballot_for
from tests.training.tiny import write_faces

HAPPY, SAD, FEAR = (EXPRESSIONS.index(name) for name in ("happiness", "sadness", "fear"))


def reading(images: NDArray[np.uint8], errs: Collection[int]) -> NDArray[np.float32]:
    """0.9 for the label, or for the next expression on these of every 20 images."""
    true, row = images[:, 0, 0, 0].astype(int), images[:, 0, 0, 1]
    read = (true + np.isin(row, list(errs))) % 8
    return (np.eye(8)[read] * (0.9 - 0.1 / 7) + 0.1 / 7).astype(np.float32)


def panel(**errs: Collection[int]) -> Panel:
    """Experts by kind with the images that each takes for the next expression."""
    members = {n: Expert(n, n[0] * 64, partial(reading, errs=e)) for n, e in errs.items()}
    seats = {n: Seat(n, e.sha256) for n, e in members.items()}  # type: ignore[arg-type]
    seen = drawn(400, 1)
    asked = {n: e.probabilities(seen.images) for n, e in members.items()}
    return Panel(members, Ballot.fit(seats, asked, seen.labels, seen.people))


def hear(chosen: Panel, faces: Faces) -> Hearing:
    return Hearing.of(chosen, faces, experts.ask(chosen, faces), draws=50)


@pytest.fixture(scope="module")
def three() -> Panel:
    """Each errs on a fifth of the images, and no two on the same."""
    return panel(feranno=range(4), classifier=range(4, 8), **{"au-rules": range(8, 12)})


@pytest.fixture(scope="module")
def heard(three: Panel) -> dict[str, Any]:
    return hear(three, drawn(800, 2)).to_dict()


def test_a_vote_of_experts_with_errors_of_their_own_beats_each(heard: dict[str, Any]) -> None:
    json.dumps(heard, allow_nan=False)
    assert (heard["images"], heard["people"]) == (800, 160)
    voters = heard["voters"]
    assert voters[ALL]["accuracy"]["value"] == 1
    assert voters[ALL]["mended"]["value"] == 1
    assert voters[ALL]["relabels_right"]["value"] == 1
    assert voters[ALL]["auc"]["value"] == 1
    for name in ("feranno", "classifier", "au-rules"):
        assert voters[name]["accuracy"]["value"] == pytest.approx(0.8)
        lead = voters[name]["lead"]["accuracy"]
        assert lead["value"] == pytest.approx(0.2)
        assert lead["low"] > 0.1
        assert voters[name]["lead"]["auc"]["value"] > 0
    assert "lead" not in voters[ALL]


def test_everyone_is_heard_together_alone_and_missing(heard: dict[str, Any]) -> None:
    names = ("feranno", "classifier", "au-rules")
    assert set(heard["voters"]) == {ALL, *names, *(f"without {name}" for name in names)}
    assert heard["voters"]["without feranno"]["members"] == ["au-rules", "classifier"]
    alone = hear(panel(feranno=range(4)), drawn(100, 2))
    assert set(alone.voters) == {ALL}


def test_verdicts_are_counted_by_class_and_by_whether_the_label_was_wrong(
    heard: dict[str, Any],
) -> None:
    counts = heard["voters"][ALL]["verdicts"]
    assert set(counts) == set(EXPRESSIONS)
    wrong = sum(sum(by["wrong"].values()) for by in counts.values())
    right = sum(sum(by["right"].values()) for by in counts.values())
    assert wrong == round(800 * CORRUPTED)
    assert wrong + right == 800
    assert all(by["wrong"]["confirmed"] == 0 for by in counts.values())
    assert all(by["right"]["relabelled"] == 0 for by in counts.values())


def by_hand() -> Voter:
    """Six faces of happiness. Confirmed from 0.3; another label replaces one from 0.7 on."""
    read = np.full((6, 8), 0.01)
    read[[0, 1, 2], HAPPY] = 0.93
    read[3, HAPPY], read[3, SAD] = 0.47, 0.47
    read[4, HAPPY], read[4, FEAR] = 0.2, 0.74
    read[5, FEAR] = 0.93
    given = np.array([HAPPY, HAPPY, SAD, FEAR, SAD, HAPPY])
    faces = Faces(np.zeros((6, 2, 2, 3), np.uint8), np.full(6, HAPPY), np.arange(6))
    vote = Vote("linear", {"a": 1.0}, {"a": 1.0}, 1.0, 0.3, 0.7, {})
    return Voter(Answers(faces, read.astype(np.float32), 0.3), vote, given)


def test_figures_by_hand() -> None:
    voter = by_hand()
    status, after = voter.decided
    # Two right labels stand, one wrong is mended, one uncertain is rejected, two go wrong.
    assert status.tolist() == [0, 0, 1, 2, 1, 1]
    assert after.tolist() == [HAPPY, HAPPY, HAPPY, FEAR, FEAR, FEAR]
    found = dict(zip(FIGURES, voter.figures(np.arange(6)), strict=True))
    assert found == {
        "accuracy": pytest.approx(4 / 6),
        "found": 1.0,
        "flagged_right": pytest.approx(1 / 3),
        # Likelihoods of right labels 0.93, 0.93, 0.01, of wrong ones 0.01 thrice: ties count half.
        "auc": pytest.approx((3 + 3 + 1.5) / 9),
        "mended": pytest.approx(1 / 3),
        "relabels_right": pytest.approx(1 / 3),
        "kept_right": pytest.approx(3 / 5),
    }


def test_shares_of_nothing_have_a_value() -> None:
    found = dict(zip(FIGURES, by_hand().figures(np.array([0, 1])), strict=True))
    assert (found["found"], found["mended"], found["auc"]) == (0, 0, 0)
    assert found["relabels_right"] == found["kept_right"] == 1


def test_verdicts_on_what_recipes_asked_for() -> None:
    voter = by_hand()
    asking = Asking(voter.given, voter.truth, voter.answers.read, voter.vote)
    assert asking.to_dict() == {
        "as_asked": {"confirmed": 2, "relabelled": 1, "rejected": 0},
        "otherwise": {"confirmed": 0, "relabelled": 2, "rejected": 1},
        "relabels_right": 1,
    }


def test_generated_faces_are_asked_for_at_strengths_that_take_turns() -> None:
    wanted = experts.recipes(2)
    assert [r.expression for r in wanted] == list(EXPRESSIONS) * 2
    assert {r.identity_seed for r in wanted} == {experts.FIRST_IDENTITY, experts.FIRST_IDENTITY + 1}
    shares = [r.aus["AU12"] / PROTOTYPES["happiness"]["AU12"] for r in (wanted[1], wanted[9])]
    assert shares == [0.75, 1.0]


def test_generated_faces_are_kept_where_the_judges_agree(
    three: Panel, tiny_model_folder: Path
) -> None:
    def first(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(8, dtype=np.float32)[np.arange(len(images)) % 8]

    def second(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(8, dtype=np.float32)[np.where(np.arange(len(images)) < 3, HAPPY, 1) % 8]

    synthesizer = Synthesizer.load(tiny_model_folder)
    wanted = [r.model_copy(update={"steps": 2}) for r in experts.recipes(1)]
    told: list[tuple[int, int]] = []

    def make(**judges: Any) -> experts.Made:
        return experts.generate(
            synthesizer, three, judges, wanted, tell=lambda *done: told.append(done)
        )

    made = make(a=first, b=second)
    assert made.made == 8
    assert told[-1] == (8, 8)
    assert made.faces.labels.tolist() == [HAPPY]
    assert made.labels.tolist() == [HAPPY], "the second recipe asks for happiness"
    assert made.asked.keys() == three.experts.keys()
    trial = Trial(three, hear(three, drawn(100, 2)), make(a=first, b=first), "a" * 64, draws=20)
    figures = json.loads(json.dumps(trial.figures, allow_nan=False))
    assert figures["generated"]["made"] == figures["generated"]["images"] == 8
    assert sum(figures["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert any(line.startswith("generated, 8 images") for line in trial.lines())
    with pytest.raises(DataError, match="agree on no"):
        make(a=first, b=lambda images: np.roll(first(images), 1, axis=1))


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A whole tiny model whose experts have been weighed, with two judges."""
    (tmp_path / "models").mkdir()
    made = copied(tiny_model_folder, tmp_path / "models")
    write_feranno(made)
    write_readers(made)
    ballot_for(shipped(made)).save(made / FILE)
    torch.manual_seed(1)
    classifier.save(Classifier(NET), made / "judge-b.safetensors", "judge")
    return made


def test_the_command_writes_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, target = with_test_split(write_faces(tmp_path / "data", size=64)), tmp_path / "e.json"
    options = ["--models", str(folder), "--data", str(data), "--json", str(target)]
    assert cli.main(["eval", "experts", *options, "--identities", "0"]) == 0
    figures = json.loads(target.read_text())
    assert set(figures["experts"]) == {"feranno", "classifier", "au-rules"}
    assert set(figures["rendered"]["voters"]) > {ALL, "feranno", "without feranno"}
    assert figures["rendered"]["images"] == 8
    assert figures["generated"] is None
    assert figures["weights_sha256"] == Synthesizer.load(folder).check(Recipe()).weights_sha256
    assert figures["rules"] == {"doubted": 0.05, "precision": 0.95, "corrupted": 0.3}
    assert "rendered, 8 images:" in capsys.readouterr().out
    seen = ["--apart-from", str(data)]
    assert cli.main(["eval", "experts", *options, "--identities", "0", *seen]) == 2
    assert "identities are also in" in capsys.readouterr().err


def test_without_a_panel_the_command_says_what_to_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / FILE).unlink()
    data = with_test_split(write_faces(tmp_path / "data", size=64))
    options = ["--models", str(folder), "--data", str(data)]
    assert cli.main(["eval", "experts", *options]) == 2
    said = capsys.readouterr().err
    assert "experts.json" in said
    assert "synfer experts fit" in said
    assert cli.main(["eval", "experts", *options, "--images", "5"]) == 2
    assert "--images" in capsys.readouterr().err
