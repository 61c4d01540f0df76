from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synfer_core.data import manifest
from synfer_core.data.building import Checked, so_far
from synfer_core.data.engines import Event, Fault, ProcessEngine
from synfer_core.data.manifest import MANIFEST, Record, verify
from synfer_core.data.progress import Tally
from synfer_core.errors import BusyError, CancelledError, DataError, RequestError
from synfer_core.report import Result
from synfer_core.request import Recipe
from tests.data.drawn_set import DrawnWorkshop, build, files, plan


class AlwaysWrong(DrawnWorkshop):
    """Plays its tricks each time."""

    def _first(self, index: int) -> bool:
        return True


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    build(folder, DrawnWorkshop(plan()))
    return folder


def test_a_set_is_what_was_asked_for(whole: Path) -> None:
    records = list(manifest.read(whole / MANIFEST))
    assert [record.index for record in records] == list(range(12))
    assert sorted(str(record.label) for record in records) == ["happiness"] * 6 + ["surprise"] * 6
    assert all(record.kept and (whole / str(record.file)).exists() for record in records)
    assert verify(whole).good
    card = (whole / "README.md").read_text()
    assert "12 synthetic images" in card
    assert "| happiness | 6 | 6 | 100.0% |" in card


def test_a_finished_set_stays_as_it_is(whole: Path) -> None:
    before = files(whole)
    made: list[Event] = []
    build(whole, DrawnWorkshop(plan()), watch=lambda event, tally: _note(made, event))
    assert not made
    assert files(whole) == before


def _note(made: list[Event], event: Event | Checked) -> None:
    if not isinstance(event, Checked):
        made.append(event)


def _remove_image(folder: Path) -> None:
    (folder / "images/000001/00000005.png").unlink()


def _truncate_image(folder: Path) -> None:
    path = folder / "images/000001/00000005.png"
    path.write_bytes(path.read_bytes()[:-20])


def _spoil_records(folder: Path) -> None:
    path = folder / "images/000002/records.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


def _remove_shard(folder: Path) -> None:
    shutil.rmtree(folder / "images/000000")


@pytest.mark.parametrize("harm", [_remove_image, _truncate_image, _spoil_records, _remove_shard])
def test_what_was_harmed_is_made_again(
    whole: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(whole, folder)
    harm(folder)
    made: list[Event] = []
    build(folder, DrawnWorkshop(plan()), watch=lambda event, tally: _note(made, event))
    assert len(made) == 5  # four samples and the end of their shard
    assert files(folder) == files(whole)


def test_a_cancelled_run_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"

    def stop(event: Event | Checked, tally: Tally) -> None:
        if isinstance(event, Record) and tally.done == 7:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        build(folder, DrawnWorkshop(plan()), watch=stop)
    assert [p.name for p in sorted((folder / "images").iterdir())] == [".000001.begun", "000000"]
    assert so_far(plan(), folder).done == 7
    made: list[Event] = []
    build(folder, DrawnWorkshop(plan()), watch=lambda event, tally: _note(made, event))
    assert len(made) == 10
    assert files(folder) == files(whole)


def _damage_begun(folder: Path) -> None:
    path = folder / "images/.000001.begun/00000005.png"
    path.write_bytes(b"")


def _lose_begun(folder: Path) -> None:
    (folder / "images/.000001.begun/records.jsonl").write_bytes(b"{")


@pytest.mark.parametrize(
    ("harm", "drawn"),
    [(lambda folder: None, 6), (_damage_begun, 7), (_lose_begun, 8)],
    ids=["unharmed", "damaged", "lost"],
)
def test_a_stopped_worker_keeps_what_is_whole_of_its_shard(
    whole: Path, tmp_path: Path, harm: Callable[[Path], None], drawn: int
) -> None:
    folder, asked = tmp_path / "set", []

    class Stopped(DrawnWorkshop):
        def _generate(self, recipe: Recipe) -> Result:
            asked.append(recipe)
            if len(asked) == 7:
                raise CancelledError("enough")
            return super()._generate(recipe)

    with pytest.raises(CancelledError):
        build(folder, Stopped(plan()))
    harm(folder)
    build(folder, Stopped(plan()))
    assert len(asked) == 7 + drawn
    assert files(folder) == files(whole)


def test_faults_of_every_kind_change_nothing(whole: Path, tmp_path: Path) -> None:
    """Workers raise, die and find a full disk, and a finished shard is cut short."""
    folder = tmp_path / "set"
    harmed = []

    def harm(event: Event | Checked, tally: Tally) -> None:
        if isinstance(event, Record) or harmed or not (folder / "images/000001").exists():
            return
        harmed.append(event)
        _truncate_image(folder)

    tricks = {1: "raise", 6: "die", 9: "full", 11: "raise"}
    workshop = DrawnWorkshop(plan(), tricks, tmp_path)
    outcome = build(folder, workshop, ProcessEngine(workshop, 2), harm)
    assert (outcome.made, outcome.failed) == (12, 0)
    assert sum(outcome.faults.values()) >= 3
    assert any("code -9" in why for why in outcome.faults)
    assert any("File too large" in why or "EFBIG" in why for why in outcome.faults)
    assert files(folder) == files(whole)


def test_what_cannot_be_made_is_listed_and_tried_again(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    outcome = build(folder, AlwaysWrong(plan(), {3: "raise"}, tmp_path))
    assert (outcome.made, outcome.failed) == (11, 1)
    (failed,) = [r for r in manifest.read(folder / MANIFEST) if not r.kept]
    assert failed.index == 3
    assert failed.error is not None
    assert "a driver is gone" in str(failed.error["message"])
    assert verify(folder).good
    assert build(folder, DrawnWorkshop(plan())).made == 12
    assert files(folder) == files(whole)


def test_a_shard_that_always_kills_its_worker_is_listed(tmp_path: Path) -> None:
    folder, faults = tmp_path / "set", []
    workshop = AlwaysWrong(plan(), {5: "die"}, tmp_path)
    outcome = build(
        folder,
        workshop,
        ProcessEngine(workshop, 1),
        lambda event, tally: faults.append(event) if isinstance(event, Fault) else None,
    )
    assert (outcome.made, outcome.failed) == (8, 4)
    assert len(faults) == 4
    assert verify(folder).good


def test_a_shard_that_never_lasts_is_listed(tmp_path: Path) -> None:
    def harm(event: Event | Checked, tally: Tally) -> None:
        if not isinstance(event, Record | Checked) and event.shard == 1:
            _truncate_image(tmp_path / "set")

    outcome = build(tmp_path / "set", DrawnWorkshop(plan()), watch=harm)
    assert (outcome.made, outcome.failed, outcome.faults) == (8, 4, {"a damaged shard": 3})
    assert verify(tmp_path / "set").good
    assert build(tmp_path / "set", DrawnWorkshop(plan())).made == 12


def test_verdicts_keep_relabel_and_make_again(tmp_path: Path) -> None:
    judged = {"by": "feranno", "confirm": 0.3, "relabel": 0.95, "attempts": 4}
    build(tmp_path / "kept", DrawnWorkshop(plan(verdicts=judged)))
    records = list(manifest.read(tmp_path / "kept" / MANIFEST))
    again = [record for record in records if len(record.attempts) > 1]
    assert again
    assert all(record.label == record.asked for record in records if record.kept)
    for record in again:
        verdicts = [attempt.verdict for attempt in record.attempts]
        assert verdicts[:-1] == ["rejected"] * (len(verdicts) - 1)
        assert {a.read for a in record.attempts[:-1]} == {"surprise"}

    build(tmp_path / "moved", DrawnWorkshop(plan(verdicts={**judged, "relabel": 0.5})))
    moved = [r for r in manifest.read(tmp_path / "moved" / MANIFEST) if r.label != r.asked]
    assert {(record.asked, record.label) for record in moved} == {("happiness", "surprise")}
    assert "Labels replaced: happiness to surprise" in (tmp_path / "moved/README.md").read_text()

    build(tmp_path / "left", DrawnWorkshop(plan(verdicts={**judged, "attempts": 1})))
    left_out = [r for r in manifest.read(tmp_path / "left" / MANIFEST) if r.status == "rejected"]
    assert len(left_out) == len([r for r in records if len(r.attempts) > 1])
    assert verify(tmp_path / "left").good


def test_near_duplicates_go_whoever_made_them(tmp_path: Path) -> None:
    alike = plan(distance=60, people={"count": 1}, aus={"strength": [1, 1], "jitter": 0})
    outcome = build(tmp_path / "one", DrawnWorkshop(alike))
    assert outcome.duplicates > 0
    workshop = DrawnWorkshop(alike)
    build(tmp_path / "two", workshop, ProcessEngine(workshop, 2))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert verify(tmp_path / "one").good
    before = files(tmp_path / "one")
    shutil.rmtree(tmp_path / "one/images/000001")
    build(tmp_path / "one", DrawnWorkshop(alike))
    assert files(tmp_path / "one") == before


def test_another_set_or_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of another set"):
        build(whole, DrawnWorkshop(plan(seed=1)))

    def again(event: Event | Checked, tally: Tally) -> None:
        build(tmp_path / "set", DrawnWorkshop(plan()))

    with pytest.raises(BusyError):
        build(tmp_path / "set", DrawnWorkshop(plan()), watch=again)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="holds other files"):
        build(tmp_path, DrawnWorkshop(plan()))
    with pytest.raises(RequestError, match="cannot be written"):
        build(tmp_path / "file" / "set", DrawnWorkshop(plan()))


def test_a_check_lists_what_is_missing_extra_or_changed(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(whole, folder)
    _truncate_image(folder)
    (folder / "images/000000/00000002.png").unlink()
    (folder / "images/000000/copy.png").write_bytes(b"")
    (folder / "README.md").write_text("another")
    found = verify(folder)
    assert found.missing == ("images/000000/00000002.png",)
    assert found.extra == ("images/000000/copy.png",)
    assert set(found.changed) == {"README.md", "images/000001/00000005.png"}
    assert not found.good
    assert json.loads(json.dumps(found.to_dict()))["images"] == 12
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(DataError, match="SHA256SUMS"):
        verify(folder)
