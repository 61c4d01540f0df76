"""One queue for each device: work runs off the event loop, one job at a time, and can be stopped.

A job is an iterator of `Progress` that ends in its result. Closing the iterator is what cancels it,
so a cancelled job stops at the step it is in. Pages follow the newest state and never a backlog;
clients of the API follow numbered events, which they can take up again after a break.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.bounded_store import weigh
from app.paces import Paces
from synfer_core.errors import BusyError, CancelledError, FaultError, QuotaError, SynferError
from synfer_core.report import Progress
from synfer_core.wire import FINAL

log = logging.getLogger(__name__)

Work = Callable[[], Iterator[Any]]
"""Starts the work: an iterator of `Progress`, its last item the result; a generator is closed."""

_FIRST_GUESS_SECONDS = 5.0
_TIDY_SECONDS = 60.0
_FAULT = "Something went wrong inside the studio. The server's log has the details."


class State(StrEnum):
    """Where a job is; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self.value in FINAL


@dataclass(frozen=True)
class Snapshot:
    """A job as it stood at one moment.

    Attributes:
        ahead: Jobs that run before this one; 0 once it runs.
        progress: The newest progress, which a cancelled job keeps.
        result: What the work made, in state ``done``.
        error: Why it failed, in state ``failed``.
        seconds_left: Seconds until a finished job is deleted; None before it has finished.
    """

    id: str
    state: State
    ahead: int
    progress: Progress | None
    result: Any
    error: SynferError | None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Event:
    """One change of a job.

    Attributes:
        number: Place in the job's events, from 1.
        state: The state from here on.
        ahead: Jobs that run before this one.
        progress: The newest progress; its preview is there in the newest event alone.
        error: Why it failed, in state ``failed``.
    """

    number: int
    state: State
    ahead: int
    progress: Progress | None
    error: SynferError | None


class Job:
    """One piece of work and its followers. Made by `JobQueue.submit`."""

    def __init__(
        self,
        name: str,
        work: Work,
        owner: str,
        changed: threading.Condition,
        client: str | None = None,
    ):
        self.id = name
        self.owner, self.client = owner, client
        self.work: Work | None = work
        self.state = State.QUEUED
        self.ahead = 0
        self.progress: Progress | None = None
        self.result: Any = None
        self.error: SynferError | None = None
        self.finished: float | None = None
        self.size = 0
        self.cancel_asked = False
        self._changed = changed
        self._events: list[Event] = []
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def publish(
        self,
        state: State,
        *,
        ahead: int = 0,
        progress: Progress | None = None,
        result: Any = None,
        error: SynferError | None = None,
    ) -> None:
        """Take over a new state and wake the followers; a final state stays."""
        with self._changed:
            if self.state.final:
                return
            self.state, self.ahead = state, ahead
            self.progress = progress or self.progress
            self.result, self.error = result, error
            if state.final:
                self.finished = time.monotonic()
                self.work = None  # it may hold an upload
            self._record(progress)
            bells = tuple(self._bells)
            self._changed.notify_all()
        for loop, bell in bells:
            with contextlib.suppress(RuntimeError):  # that follower's loop has closed
                loop.call_soon_threadsafe(bell.set)

    def known(self, number: int) -> int:
        """The number of the last event that a follower need not be sent: at most `number`, no more
        than there are, and never the final one.
        """
        with self._changed:
            return min(number, len(self._events) - self.state.final)

    def since(self, number: int) -> tuple[Event, ...]:
        """The events after that number, oldest first."""
        with self._changed:
            return tuple(self._events[number:])

    def _record(self, progress: Progress | None) -> None:
        """Note the state as an event; older ones lose their previews, which would add up."""
        if self._events:
            self._events[-1] = _without_preview(self._events[-1])
        event = Event(len(self._events) + 1, self.state, self.ahead, self.progress, self.error)
        self._events.append(event if progress else _without_preview(event))

    @contextlib.contextmanager
    def bell(self) -> Generator[asyncio.Event, None, None]:
        """An event of the running loop that rings at each change."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._changed:
            self._bells.add(entry)
        try:
            yield entry[1]
        finally:
            with self._changed:
                self._bells.discard(entry)


class JobQueue:
    """A bounded queue in front of one device, served by one thread.

    Args:
        waiting: Jobs that may wait beside the one that runs.
        kept: Finished jobs that stay collectable; the oldest goes first.
        kept_seconds: Seconds after which a finished job is deleted.
        per_client: Unfinished jobs that one client may have; None sets no limit.
        kept_bytes: Memory that results of finished jobs may take; the newest always stays.
        paces: What images take on the device; it learns from every job that makes one.
    """

    def __init__(
        self,
        *,
        waiting: int = 8,
        kept: int = 128,
        kept_seconds: float = 900.0,
        per_client: int | None = None,
        kept_bytes: int = 500_000_000,
        paces: Paces | None = None,
    ):
        self.paces = paces or Paces()
        self._limit, self._kept, self._lifetime = waiting, kept, kept_seconds
        self.per_client = per_client
        self._kept_bytes = kept_bytes
        # Names tell which start of the server they are from, so that a lost job is known as one.
        self._start = f"{secrets.token_hex(4)}."
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._seconds = _FIRST_GUESS_SECONDS
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="synfer-device", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, owner: str, client: str | None = None) -> Job:
        """Put work in the queue.

        Args:
            work: Starts the work.
            owner: What it is for: a page, a client of the API, a longer piece of work.
            client: The user or address for whom it counts; None for the server itself.

        Raises:
            BusyError: As many jobs wait as may.
            QuotaError: The client has as many unfinished jobs as it may.
        """
        with self._changed:
            self._tidy()
            ahead = len(self._queue) + bool(self._running)
            if self._closed or ahead > self._limit:
                raise self._busy()
            if client and self.per_client and self._unfinished(client) >= self.per_client:
                raise self._over(self.per_client)
            name = self._start + secrets.token_urlsafe(16)
            job = Job(name, work, owner, self._changed, client)
            self._jobs[job.id] = job
            self._queue.append(job)
            job.publish(State.QUEUED, ahead=ahead)
        return job

    @property
    def waiting(self) -> int:
        """Jobs that wait for the device."""
        with self._changed:
            return len(self._queue)

    def snapshot(self, job: Job) -> Snapshot:
        """The job as it stands now."""
        with self._changed:
            left = None
            if job.finished is not None:
                left = max(0.0, job.finished + self._lifetime - time.monotonic())
            return Snapshot(job.id, job.state, job.ahead, job.progress, job.result, job.error, left)

    def get(self, job_id: str) -> Job | None:
        """A job by its unguessable name; None once it has been dropped."""
        with self._changed:
            self._tidy()
            return self._jobs.get(job_id)

    def lost(self, job_id: str) -> bool:
        """Whether the name is from before the server was started; such jobs are gone."""
        return "." in job_id and not job_id.startswith(self._start)

    def jobs(self) -> tuple[Job, ...]:
        """All jobs that are kept, oldest first."""
        with self._changed:
            return tuple(self._jobs.values())

    async def follow(self, job: Job) -> AsyncIterator[Snapshot]:
        """Snapshots at each change, at least one a second, until the final one."""
        with job.bell() as bell:
            while True:
                snapshot = self.snapshot(job)
                yield snapshot
                if snapshot.state.final:
                    return
                # The second is for followers that have left: they are noticed at a yield.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), timeout=1.0)
                bell.clear()

    async def events(
        self, job: Job, after: int = 0, pulse: float | None = None
    ) -> AsyncIterator[Event | None]:
        """Every event after that number, until the final one, which always comes: a follower whose
        connection broke may know it already, and learns that there is nothing more.

        Args:
            job: The job.
            after: Number of the last event that is known; 0 starts from the beginning.
            pulse: Seconds of silence after which a None comes; None for never.
        """
        after, ended = job.known(after), False
        with job.bell() as bell:
            while True:
                bell.clear()
                for event in job.since(after):
                    after, ended = event.number, event.state.final
                    yield event
                if ended:
                    return
                try:
                    await asyncio.wait_for(bell.wait(), pulse)
                except TimeoutError:
                    yield None

    def cancel(self, job: Job) -> None:
        """Stop a job: at once if it waits, within the step it is in if it runs."""
        with self._changed:
            job.cancel_asked = True
            if job not in self._queue:
                return
            self._queue.remove(job)
            self._line_up()
        job.publish(State.CANCELLED)

    def drop(self, job: Job) -> None:
        """Stop a job and delete it with its result."""
        self.cancel(job)
        with self._changed:
            self._jobs.pop(job.id, None)

    def cancel_owner(self, owner: str) -> None:
        """Stop every job of one page."""
        for job in self._of(owner):
            self.cancel(job)

    def forget(self, owner: str) -> None:
        """Stop every job of one page and drop its results."""
        self.cancel_owner(owner)
        with self._changed:
            for job in self._of(owner):
                self._jobs.pop(job.id, None)

    def close(self, *, timeout: float = 10.0) -> None:
        """Stop all jobs and the thread; waits at most `timeout` seconds."""
        with self._changed:
            self._closed = True
            jobs = list(self._jobs.values())
        for job in jobs:
            self.cancel(job)
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout)

    def _of(self, owner: str) -> list[Job]:
        with self._changed:
            return [job for job in self._jobs.values() if job.owner == owner]

    @property
    def _retry_after(self) -> int:
        """Seconds until the job that runs is likely to be done: then there is a place."""
        return max(1, round(self._seconds))

    def _busy(self) -> BusyError:
        after = self._retry_after
        return BusyError(
            f"The studio is busy: {len(self._queue)} others are waiting. "
            f"Try again in about {after} s.",
            retry_after=after,
        )

    def _over(self, share: int) -> QuotaError:
        return QuotaError(
            "so many jobs of yours are unfinished already",
            field="jobs",
            allowed=f"at most {share}",
            retry_after=self._retry_after,
        )

    def _unfinished(self, client: str) -> int:
        """What a client has under way; a job that is told to stop makes place for the next."""
        mine = (job for job in self._jobs.values() if job.client == client)
        return sum(not (job.state.final or job.cancel_asked) for job in mine)

    def _line_up(self) -> None:
        """Tell those that wait how many run before them, where that has changed."""
        for place, job in enumerate(self._queue, start=bool(self._running)):
            if job.ahead != place:
                job.publish(State.QUEUED, ahead=place)

    def _tidy(self) -> None:
        """Delete what has been kept for its time, and the oldest of what is over the limits."""
        ends = [job for job in self._jobs.values() if job.finished is not None]
        limit, over = time.monotonic() - self._lifetime, len(ends) - self._kept
        size = sum(job.size for job in ends)
        for place, job in enumerate(ends):
            large = size > self._kept_bytes and job is not ends[-1]
            if place < over or large or (job.finished or 0.0) <= limit:
                del self._jobs[job.id]
                size -= job.size

    def _next(self) -> Job | None:
        with self._changed:
            while not (self._queue or self._closed):
                self._tidy()
                self._changed.wait(_TIDY_SECONDS)
            if not self._queue:
                return None
            self._running = self._queue.popleft()
            self._line_up()
            return self._running

    def _serve(self) -> None:
        while job := self._next():
            started = time.monotonic()
            job.publish(State.RUNNING)
            _run(job)
            self._settle(job, time.monotonic() - started)
            del job  # while it waits for the next one, it holds nothing

    def _settle(self, job: Job, seconds: float) -> None:
        size = weigh(job.result)
        with self._changed:
            self._running, job.size = None, size
            if job.state is State.DONE:
                self._seconds += 0.3 * (seconds - self._seconds)
                self.paces.learn(job.result)
            self._tidy()


def _without_preview(event: Event) -> Event:
    if event.progress is None or event.progress.preview is None:
        return event
    return replace(event, progress=replace(event.progress, preview=None))


def _run(job: Job) -> None:
    """Drive the work to its end; whatever it raises ends this job and nothing else."""
    try:
        result = _drain(job)
    except CancelledError:
        job.publish(State.CANCELLED)
    except SynferError as error:
        job.publish(State.FAILED, error=error)
    except Exception:  # the one place where the server must outlive an unforeseen fault
        log.exception("job %s failed", job.id)
        job.publish(State.FAILED, error=FaultError(_FAULT))
    else:
        job.publish(State.DONE, result=result)


def _drain(job: Job) -> Any:
    """The work's last item.

    Raises:
        CancelledError: Somebody cancelled the job.
    """
    item: Any = None
    assert job.work is not None
    stream = job.work()
    try:
        for item in stream:
            if job.cancel_asked:
                raise CancelledError("The run was cancelled.")
            if isinstance(item, Progress):
                job.publish(State.RUNNING, progress=item)
    finally:
        if isinstance(stream, Generator):
            stream.close()
    return item
