from __future__ import annotations

import pytest

from synfer_core.data.commands import Teller
from synfer_core.data.engines import Fault
from synfer_core.data.manifest import Attempt, Record
from synfer_core.data.progress import Tally, bar, in_words, rates


def record(index: int, *verdicts: str, asked: str = "fear") -> Record:
    attempts = tuple(Attempt.model_validate({"verdict": verdict}) for verdict in verdicts)
    kept = verdicts[-1] != "rejected"
    values = {"index": index, "person": 1, "asked": asked, "attempts": attempts}
    extra = {"status": "made", "file": "a"} if kept else {"status": "rejected"}
    return Record.model_validate(values | extra)


def test_rates_by_class_count_every_image_made() -> None:
    tally = Tally.of({"fear": 3, "anger": 1})
    assert tally.seconds_left is None
    assert rates(tally) == "accepted: fear -, anger -"
    tally.add(record(0, "confirmed"))
    tally.add(record(1, "rejected", "rejected", "confirmed"))
    assert rates(tally) == "accepted: fear 50%, anger -"
    assert (tally.done, tally.total) == (2, 4)
    assert tally.seconds_left is not None


def test_a_sample_counts_once_and_can_be_taken_back() -> None:
    tally = Tally.of({"fear": 3})
    for _ in range(2):
        tally.add(record(0, "rejected", "confirmed"))
    assert tally.classes["fear"].to_dict() == {
        **{"asked": 3, "done": 1, "kept": 1, "attempts": 2},
        **{"verdicts": {"confirmed": 1, "rejected": 1}, "acceptance": 0.5},
    }
    assert 0 in tally
    tally.drop([0, 1])
    assert 0 not in tally
    assert (tally.done, tally.classes["fear"].attempts) == (0, 0)


def test_words_for_time_and_progress() -> None:
    assert in_words(None) == ""
    assert in_words(20.4) == "about 20 s left"
    assert in_words(600) == "about 10 min left"
    assert in_words(9000) == "about 2.5 h left"
    assert bar(3, 12, 8) == "[##......] 3/12"


def test_the_command_line_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    tally, teller = Tally.of({"fear": 26}), Teller()
    for index in range(26):
        made = record(index, "confirmed")
        tally.add(made)
        teller.tell(made, tally)
    teller.tell(Fault(3, "the disk is full"), tally)
    told = capsys.readouterr().err
    assert "25/26" in told
    assert "26/26" in told
    assert "accepted: fear 100%" in told
    assert "shard 3 was not made: the disk is full" in told
