from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core import cli
from synfer_core.annotation import Annotator
from synfer_core.calibration import doubtful
from synfer_core.errors import ModelError, RequestError, StaleError, WeightsError
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier
from synfer_core.models.experts import Expert
from synfer_core.panel import FILE, Ballot, Panel, Seat
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.training.feranno import readable
from tests.models.test_experts import NET, shipped, write_readers
from tests.test_calibration import copied, write_feranno
from tests.test_voting import world

IMAGE = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)


def ballot_for(experts: dict[str, Expert], **changes: Seat) -> Ballot:
    """Weights as if these experts had the knowledge of those in `world`."""
    asked, labels = world((0.5, 0.6, 0.7)[: len(experts)])
    seats = {name: Seat(name, e.sha256) for name, e in experts.items()}  # type: ignore[arg-type]
    known = dict(zip(experts, asked.values(), strict=True))
    return Ballot.fit(seats | changes, known, labels, np.arange(len(labels)) // 4)


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A whole tiny model whose experts have been weighed."""
    made = copied(tiny_model_folder, tmp_path)
    write_feranno(made)
    write_readers(made)
    ballot_for(shipped(made)).save(made / FILE)
    return made


def changed(folder: Path) -> None:
    torch.manual_seed(7)
    classifier.save(Classifier(NET), folder / "classifier.safetensors", "classifier")


def test_a_ballot_survives_its_file(folder: Path) -> None:
    ballot = Ballot.load(folder / FILE)
    assert ballot == ballot_for(shipped(folder))
    assert ballot.all.members == {"feranno", "classifier", "au-rules"}
    assert sum(ballot.all.weights.values()) == pytest.approx(1)
    assert len(ballot.votes) == 7
    assert ballot.vote(["feranno"]).weights == {"feranno": 1.0}
    with pytest.raises(RequestError, match="no vote was fitted for nobody"):
        ballot.vote([])
    assert (ballot.images, ballot.people) == (1200, 300)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "JSON"),
        ("{}", "seats"),
        ('{"seats": {}, "votes": [], "images": 1, "people": 1, "colour": 2}', "colour"),
    ],
)
def test_a_damaged_ballot_is_refused_by_name(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / FILE
    path.write_text(change)
    with pytest.raises(WeightsError, match=rf"experts\.json: .*{message}"):
        Ballot.load(path)


def test_a_vote_without_a_seat_is_refused(folder: Path) -> None:
    ballot = Ballot.load(folder / FILE)
    seats = {name: seat for name, seat in ballot.seats.items() if name != "classifier"}
    replace(ballot, seats=seats).save(folder / FILE)
    with pytest.raises(WeightsError, match="without a seat"):
        Ballot.load(folder / FILE)


def test_experts_that_changed_or_left_are_not_weighed(folder: Path) -> None:
    assert set(Panel.load(folder, shipped(folder)).experts) == {
        "feranno",
        "classifier",
        "au-rules",
    }
    changed(folder)
    with pytest.raises(StaleError, match="the expert classifier has changed"):
        Panel.load(folder, shipped(folder))
    (folder / "classifier.safetensors").unlink()
    with pytest.raises(StaleError, match="the expert classifier is not here"):
        Panel.load(folder, shipped(folder))


def test_one_who_guided_an_image_has_no_vote_on_it(folder: Path) -> None:
    panel = Panel.load(folder, shipped(folder))
    guide = panel.experts["classifier"].sha256
    verdict = panel.verdict(IMAGE[None], "fear", {}, guide)
    assert verdict is not None
    assert [e.expert for e in verdict.evidence] == ["feranno", "au-rules"]
    assert sum(e.weight for e in verdict.evidence) == pytest.approx(1)
    everyone = panel.verdict(IMAGE[None], "fear", {}, "0" * 64)
    assert everyone is not None
    assert len(everyone.evidence) == 3
    alone = {"classifier": panel.experts["classifier"]}
    assert Panel(alone, ballot_for(alone)).verdict(IMAGE[None], "fear", {}, guide) is None


def test_what_is_known_is_not_asked_again(folder: Path) -> None:
    def busy(images: object) -> np.ndarray:
        raise AssertionError("asked again")

    panel = Panel.load(folder, shipped(folder))
    experts = {n: replace(e, read=busy) for n, e in panel.experts.items() if n != "classifier"}
    known = {name: np.full((1, 8), 1 / 8) for name in experts}
    lazy = Panel(dict(panel.experts) | experts, panel.ballot)
    verdict = lazy.verdict(IMAGE[None], "fear", known)
    assert verdict is not None
    assert len(verdict.evidence) == 3


def test_an_expert_that_answers_nonsense_is_named(folder: Path) -> None:
    panel = Panel.load(folder, shipped(folder))
    mad = Expert("classifier", "a", lambda images: np.full((len(images), 8), np.nan))
    with pytest.raises(ModelError, match="classifier: answers with what is not a number"):
        Panel(dict(panel.experts) | {"classifier": mad}, panel.ballot).verdict(
            IMAGE[None], "fear", {}
        )


def test_a_report_of_a_recipe_with_an_expression_has_a_verdict(folder: Path) -> None:
    synthesizer = Synthesizer.load(folder)
    result = synthesizer.generate(Recipe(expression="anger", aus={"AU4": 3.0}, steps=2))
    verdict = result.verdict
    assert verdict is not None
    assert {e.expert for e in verdict.evidence} == {"feranno", "classifier", "au-rules"}
    assert result.to_dict()["verdict"]["status"] == verdict.status
    assert result.notes == ()
    panel = Panel.load(folder, shipped(folder))
    again = panel.verdict(result.image[None], "anger", {})
    assert again is not None
    assert again.status == verdict.status
    for one, other in zip(again.evidence, verdict.evidence, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    without = synthesizer.generate(Recipe(aus={"AU4": 3.0}, steps=2))
    assert without.verdict is None
    assert without.to_dict()["verdict"] is None
    assert without.notes == ()


def test_pixels_do_not_depend_on_who_votes(folder: Path, tiny_model_folder: Path) -> None:
    recipe = Recipe(expression="anger", steps=2)
    voted, plain = (Synthesizer.load(f).generate(recipe) for f in (folder, tiny_model_folder))
    assert (voted.image == plain.image).all()
    assert plain.verdict is None
    assert any("nobody has been weighed" in note for note in plain.notes)


def test_a_label_given_with_an_image_is_voted_on(folder: Path) -> None:
    synthesizer = Synthesizer.load(folder)
    given = synthesizer.annotate(IMAGE, "surprise")
    assert given.verdict is not None
    panel = synthesizer.annotator.panel
    assert panel is not None
    asked = panel.ask(IMAGE[None], {}, panel.experts)
    together = panel.ballot.all.together(asked)
    index = np.array([EXPRESSIONS.index("surprise")])
    doubted = bool(doubtful(together, index, panel.ballot.all.confirm)[0])
    assert (given.verdict.status == "confirmed") == (not doubted)
    assert synthesizer.annotate(IMAGE).verdict is None


def test_experts_that_changed_are_told_in_a_note_and_faces_are_still_made(folder: Path) -> None:
    changed(folder)
    annotator = Annotator.load(folder, readable(folder))
    assert annotator.panel is None
    readings = annotator.read(IMAGE, "fear")
    assert readings.verdict is None
    assert any("classifier has changed" in note for note in readings.notes)
    assert annotator.read(IMAGE).notes == ()
    (folder / FILE).write_text("{}")
    with pytest.raises(WeightsError, match=r"experts\.json"):
        Annotator.load(folder, readable(folder))


def test_the_command_line_tells_the_verdict(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    path = tmp_path / "face.png"
    Image.fromarray(IMAGE).save(path)
    models = ["--models", str(folder)]
    assert cli.main(["annotate", "--label", "happiness", str(path), "--json", *models]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["status"] in {"confirmed", "relabelled", "rejected"}
    assert len(verdict["evidence"]) == 3
    assert cli.main(["annotate", "--label", "happiness", str(path), *models]) == 0
    assert "happiness is " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["annotate", "--label", "joy", str(path), *models])
    assert "--label" in capsys.readouterr().err
