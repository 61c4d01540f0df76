"""A minute of what `scripts/fuzz` does at length, and that it would find a fault."""

from __future__ import annotations

import time
import warnings

import pytest

from synfer_core.errors import RequestError
from tests import fuzzing, mutating
from tests.fuzz_targets import IMAGES, targets

TARGETS = fuzzing.by_name(targets())
SEED = 17
SECONDS = 5.0
"""For each target: a minute in all."""

LEAST = 100
"""Cases of a target, however slow the machine."""


@pytest.mark.parametrize("name", TARGETS)
def test_damage_raises_errors_of_the_tree_alone(name: str) -> None:
    target, start, number = TARGETS[name], time.process_time(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while number < LEAST or time.process_time() - start < SECONDS:
            assert not list(fuzzing.fuzz(target, SEED, [number]))
            number += 1


@pytest.mark.parametrize("name", TARGETS)
def test_whole_files_are_read_and_some_of_the_damaged(name: str) -> None:
    target = TARGETS[name]
    for data in target.seeds:
        target.read(data)
    damaged = range(len(target.seeds), len(target.seeds) + 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert 4 <= fuzzing.accepted(target, SEED, damaged) <= 196


@pytest.mark.parametrize("name", ["image", "recipe"])
def test_a_case_is_the_same_each_time_and_another_by_its_seed(name: str) -> None:
    cases = [fuzzing.case(TARGETS[name], seed, 40) for seed in (1, 1, 2)]
    assert cases[0] == cases[1] != cases[2]
    assert set(TARGETS) >= IMAGES


def test_faults_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(data: bytes) -> None:
        if data == b"bad":
            raise IndexError(data)
        raise RequestError("refused", field="data")

    def endless(_: bytes) -> None:
        while True:
            try:
                time.sleep(1)
            except Exception:  # noqa: BLE001  # what a reader swallows must not hide that it hangs
                continue

    monkeypatch.setattr(fuzzing, "HANGS_AFTER", 1)
    monkeypatch.setattr(fuzzing, "MOST_SECONDS", 0.0)
    assert fuzzing.tried(crash, b"bad") == ("exception", "IndexError: b'bad'")
    assert fuzzing.tried(endless, b"") == ("hang", "no end in 1 s")
    assert (fuzzing.tried(crash, b"good") or ("",))[0] == "slow"


def test_a_target_with_a_fault_is_caught_by_its_number() -> None:
    def read(data: bytes) -> None:
        assert b"[[[" not in data

    target = fuzzing.Target("broken", [b"a: 1"], read, mutating.text)
    found = list(fuzzing.fuzz(target, 0, range(300)))
    assert found
    assert b"[[[" in fuzzing.case(target, 0, found[0].number)
