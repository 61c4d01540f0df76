from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from app.jobs import Event, JobQueue, Snapshot, State, Work
from synfer_core.errors import BusyError, FaultError, QuotaError, RequestError
from synfer_core.report import Progress
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    jobs = JobQueue(waiting=2, kept=3)
    yield jobs
    jobs.close()


class Steps:
    """Work whose steps the test lets through one by one."""

    def __init__(self, total: int):
        self.total = total
        self.may_go = threading.Semaphore(0)
        self.started = threading.Event()
        self.done = 0
        self.closed = threading.Event()

    def __call__(self) -> Iterator[Progress | str]:
        self.started.set()
        try:
            for step in range(1, self.total + 1):
                assert self.may_go.acquire(timeout=10)
                self.done = step
                yield Progress(step, self.total, "denoising")
            yield "a face"
        finally:
            self.closed.set()

    def let(self, steps: int) -> None:
        for _ in range(steps):
            self.may_go.release()


def quick(value: str) -> Work:
    return lambda: iter([value])


def fails(error: Exception) -> Work:
    def work() -> Iterator[str]:
        yield "nothing yet"
        raise error

    return work


def until_final(queue: JobQueue, work: Work, owner: str = "page") -> list[Snapshot]:
    async def collect() -> list[Snapshot]:
        job = queue.submit(work, owner=owner)
        return [snapshot async for snapshot in queue.follow(job)]

    return asyncio.run(asyncio.wait_for(collect(), 20))


def wait_for(condition: Callable[[], bool]) -> None:
    limit = threading.Event()
    for _ in range(1000):
        if condition():
            return
        limit.wait(0.01)
    raise AssertionError("it did not happen within ten seconds")


def test_a_followed_job_ends_with_its_result(queue: JobQueue) -> None:
    steps = Steps(3)
    steps.let(3)
    last = until_final(queue, steps)[-1]
    assert (last.state, last.result, last.error) == (State.DONE, "a face", None)
    assert last.progress == Progress(3, 3, "denoising")


def test_cancel_stops_within_the_step(queue: JobQueue) -> None:
    steps = Steps(20)
    job = queue.submit(steps, owner="page")
    steps.let(3)
    wait_for(lambda: job.progress is not None and job.progress.step == 3)
    queue.cancel(job)
    steps.let(17)
    assert steps.closed.wait(10)
    wait_for(lambda: job.state.final)
    assert job.state is State.CANCELLED
    assert steps.done == 4, "the step under way may finish, no other may start"
    assert job.result is None


def test_a_waiting_job_is_cancelled_at_once(queue: JobQueue) -> None:
    first, second = Steps(1), Steps(1)
    queue.submit(first, owner="one")
    assert first.started.wait(10)
    job = queue.submit(second, owner="two")
    assert queue.snapshot(job).ahead == 1
    queue.cancel(job)
    assert job.state is State.CANCELLED
    first.let(1)
    assert until_final(queue, quick("next"))[-1].result == "next"
    assert not second.started.is_set()


def test_a_full_queue_says_busy_and_when_to_come_back(queue: JobQueue) -> None:
    steps = Steps(1)
    queue.submit(steps, owner="one")
    assert steps.started.wait(10)
    waiting = [queue.submit(quick(name), owner=name) for name in ("two", "three")]
    with pytest.raises(BusyError, match="2 others are waiting") as caught:
        queue.submit(quick("four"), owner="four")
    assert caught.value.retry_after >= 1
    steps.let(1)
    wait_for(lambda: all(job.state.final for job in waiting))
    assert until_final(queue, quick("five"))[-1].state is State.DONE


def test_jobs_run_one_at_a_time_in_order(queue: JobQueue) -> None:
    running: list[str] = []

    def work(name: str) -> Work:
        def steps() -> Iterator[object]:
            running.append(f"{name} starts")
            yield Progress(1, 1, "denoising")
            running.append(f"{name} ends")
            yield name

        return steps

    blocker = Steps(1)
    queue.submit(blocker, owner="x")
    assert blocker.started.wait(10)
    jobs = [queue.submit(work(name), owner=name) for name in ("a", "b")]
    blocker.let(1)
    wait_for(lambda: all(job.state is State.DONE for job in jobs))
    assert running == ["a starts", "a ends", "b starts", "b ends"]


def test_a_typed_error_reaches_the_follower(queue: JobQueue) -> None:
    last = until_final(queue, fails(RequestError("no such thing", field="text")))[-1]
    assert last.state is State.FAILED
    assert last.error is not None
    assert (last.error.field, last.error.message) == ("text", "no such thing")


def test_the_queue_outlives_a_fault(queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        last = until_final(queue, fails(ZeroDivisionError("secret detail")))[-1]
    assert isinstance(last.error, FaultError)
    assert "secret" not in str(last.error), "inner details stay in the log"
    assert "secret detail" in caplog.text
    assert until_final(queue, quick("still here"))[-1].result == "still here"


def test_old_results_are_dropped(queue: JobQueue) -> None:
    ids = [until_final(queue, quick(str(n)))[-1].id for n in range(5)]
    wait_for(lambda: queue.get(ids[1]) is None)
    assert [queue.get(i) is not None for i in ids] == [False, False, True, True, True]


def test_results_are_dropped_after_their_time() -> None:
    queue = JobQueue(kept_seconds=0.2)
    job = queue.get(until_final(queue, quick("kept"))[-1].id)
    assert job is not None
    assert 0 < (queue.snapshot(job).seconds_left or 0) <= 0.2
    wait_for(lambda: queue.get(job.id) is None)
    queue.close()


def test_a_finished_job_lets_go_of_what_was_sent(queue: JobQueue) -> None:
    upload = Steps(1)
    upload.let(1)
    sent = weakref.ref(upload)
    job = queue.submit(upload, owner="page")
    wait_for(lambda: job.state.final)
    del upload
    gc.collect()
    wait_for(lambda: sent() is None)


def test_events_can_be_taken_up_again(queue: JobQueue) -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    steps = [Progress(n, 3, "denoising", picture) for n in (1, 2, 3)]
    job = queue.submit(lambda: iter([*steps, "a face"]), owner="page")

    async def after(number: int) -> list[Event | None]:
        return [event async for event in queue.events(job, number)]

    whole = asyncio.run(asyncio.wait_for(after(0), 20))
    assert asyncio.run(asyncio.wait_for(after(0), 20))[2:] == asyncio.run(after(2))
    events = [event for event in whole if event]
    assert [event.number for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.state for event in events[:2]] == [State.QUEUED, State.RUNNING]
    assert events[-1].state is State.DONE
    kept = [event.progress for event in job.since(0) if event.progress]
    assert all(progress.preview is None for progress in kept), "old previews would add up"


def test_one_client_has_its_share_and_no_more(queue: JobQueue) -> None:
    steps = Steps(1)
    queue.per_client = 1
    running = queue.submit(steps, owner="page", client="one")
    with pytest.raises(QuotaError) as caught:
        queue.submit(quick("more"), owner="api", client="one")
    assert caught.value.retry_after >= 1
    queue.cancel(queue.submit(quick("other"), owner="api", client="two"))
    queue.submit(quick("own"), owner="the server's")
    queue.cancel(running)
    queue.submit(quick("next"), owner="page", client="one")
    steps.let(1)
    wait_for(lambda: all(job.state.final for job in queue.jobs()))
    assert until_final(queue, quick("again"), owner="one")[-1].state is State.DONE


def test_names_tell_which_start_they_are_from(queue: JobQueue) -> None:
    other = JobQueue()
    job = other.submit(quick("a face"), owner="page")
    other.close()
    assert queue.lost(job.id)
    assert not other.lost(job.id)
    assert not queue.lost("nonsense")


def test_a_closed_page_leaves_nothing_behind(queue: JobQueue) -> None:
    kept = until_final(queue, quick("kept"), owner="other")[-1].id
    steps = Steps(5)
    job = queue.submit(steps, owner="page")
    assert steps.started.wait(10)
    queue.forget("page")
    steps.let(5)
    assert steps.closed.wait(10)
    assert steps.done == 1
    assert queue.get(job.id) is None
    assert queue.get(kept) is not None


def test_close_stops_a_running_job() -> None:
    queue = JobQueue()
    steps = Steps(50)
    job = queue.submit(steps, owner="page")
    steps.let(1)
    assert steps.started.wait(10)
    closer = threading.Thread(target=queue.close)
    closer.start()
    wait_for(lambda: job.cancel_asked)
    steps.let(1)
    closer.join(10)
    assert not closer.is_alive()
    assert steps.closed.is_set()
    with pytest.raises(BusyError):
        queue.submit(quick("late"), owner="page")


def test_a_real_run_can_be_cancelled_between_steps(
    queue: JobQueue, synthesizer: Synthesizer
) -> None:
    recipe = Recipe(aus={"AU12": 4.0}, steps=100)

    async def cancel_at_two() -> Snapshot:
        job = queue.submit(lambda: synthesizer.stream(recipe), owner="page")
        async for snapshot in queue.follow(job):
            if snapshot.progress and snapshot.progress.step >= 2:
                queue.cancel(job)
        return snapshot

    last = asyncio.run(asyncio.wait_for(cancel_at_two(), 60))
    assert last.state is State.CANCELLED
    assert last.progress is not None
    assert 2 <= last.progress.step < 100
