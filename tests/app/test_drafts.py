"""Drafts of a page in the queue: one under way, the newest value in the slot."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.drafts import Drafts, Slot, Wanted
from app.jobs import Job, JobQueue, State
from synfer_core.errors import BusyError
from synfer_core.reference.denoiser import ReferenceDenoiser
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer


def wanted(turn: int) -> Wanted:
    return Wanted(turn, Recipe(aus={"AU12": turn / 2}))


@pytest.fixture
def drafts(synthesizer: Synthesizer, queue: JobQueue) -> Drafts:
    return Drafts(synthesizer, queue)


@pytest.fixture
def occupied(queue: JobQueue) -> Iterator[threading.Event]:
    """Somebody else's job has the device until the event is set."""
    done = threading.Event()

    def work() -> Iterator[str]:
        assert done.wait(30)
        yield "theirs"

    job = queue.submit(work, owner="someone else")
    while job.state is State.QUEUED:
        time.sleep(0.01)
    yield done
    done.set()


def ended(drafts: Drafts, job: Job | None) -> Any:
    assert job

    async def wait() -> Any:
        while not (snapshot := await drafts.outcome(job)).state.final:
            pass
        return snapshot

    return asyncio.run(wait())


def test_a_slot_takes_newer_values_until_it_is_taken() -> None:
    slot = Slot(wanted(1))
    assert slot.replace(wanted(2))
    assert slot.take() == wanted(2)
    assert not slot.replace(wanted(3))
    assert slot.take() == wanted(2)


def test_of_values_that_wait_for_others_only_the_newest_is_made(
    drafts: Drafts, queue: JobQueue, occupied: threading.Event
) -> None:
    jobs = {drafts.ask("page", wanted(turn)) for turn in range(1, 8)}
    assert queue.waiting == len(jobs) == 1
    (job,) = jobs
    assert job
    assert asyncio.run(drafts.outcome(job)).state is State.QUEUED, "the page is told of the wait"
    occupied.set()
    made = ended(drafts, job).result
    assert made.turn == 7
    assert made.draft.recipe.aus == {"AU12": 3.5}


def test_a_draft_under_way_is_given_up_for_a_newer_value(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, begun, may_go = ReferenceDenoiser.forward, threading.Event(), threading.Event()

    def held(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert may_go.wait(30)
        return forward(*args, **kwargs)

    monkeypatch.setattr(ReferenceDenoiser, "forward", held)
    old = drafts.ask("page", wanted(1))
    assert begun.wait(30)
    new = drafts.ask("page", wanted(2))
    other = drafts.ask("another page", wanted(5))
    may_go.set()
    assert ended(drafts, old).state is State.CANCELLED
    assert ended(drafts, new).result.turn == 2
    assert ended(drafts, other).result.turn == 5


def test_a_value_that_was_overtaken_on_its_way_is_not_made(
    drafts: Drafts, occupied: threading.Event
) -> None:
    job = drafts.ask("page", wanted(8))
    assert drafts.ask("page", wanted(7)) is None, "it would take the newer one's place"
    assert drafts.ask("page", wanted(8)) is job
    assert drafts.ask("another page", wanted(7))
    occupied.set()
    assert ended(drafts, job).result.turn == 8
    assert drafts.ask("page", wanted(7)) is None, "it would take the place of what followed"
    drafts.forget("page")
    assert drafts.ask("page", wanted(1)), "a page counts from its opening"


def test_drafts_take_no_place_among_the_results_that_are_kept(
    drafts: Drafts, queue: JobQueue
) -> None:
    job = drafts.ask("page", wanted(1))
    assert ended(drafts, job).state is State.DONE
    assert queue.jobs() == ()


def test_a_page_that_leaves_stops_its_draft(
    drafts: Drafts, queue: JobQueue, occupied: threading.Event
) -> None:
    job = drafts.ask("page", wanted(1))
    drafts.forget("page")
    drafts.forget("page")
    assert job
    assert job.state is State.CANCELLED
    assert queue.waiting == 0


def test_a_full_queue_takes_no_draft(
    drafts: Drafts, queue: JobQueue, occupied: threading.Event
) -> None:
    for _ in range(2):
        queue.submit(lambda: iter(["waits"]), owner="a third")
    with pytest.raises(BusyError):
        drafts.ask("page", wanted(1))
