"""One queue for each device: work runs off the event loop, one job at a time, and can be stopped.

A job is an iterator of `Progress` that ends in its result. Closing the iterator is what cancels it,
so a cancelled job stops at the step it is in. Followers see the newest state, never a backlog.
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
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from synfer_core.errors import CancelledError, SynferError
from synfer_core.report import Progress

log = logging.getLogger(__name__)

Work = Callable[[], Iterator[Any]]
"""Starts the work: an iterator of `Progress`, its last item the result; a generator is closed."""

_FIRST_GUESS_SECONDS = 5.0
_FAULT = "Something went wrong inside the studio. The server's log has the details."


class BusyError(SynferError):
    """The queue is full.

    Attributes:
        retry_after: Whole seconds after which a place is likely to be free.
    """

    def __init__(self, waiting: int, retry_after: int):
        super().__init__(
            f"The studio is busy: {waiting} others are waiting. "
            f"Try again in about {retry_after} seconds."
        )
        self.retry_after = retry_after


class FaultError(SynferError):
    """The work failed in a way nobody foresaw; the details are in the server's log."""


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
        return self in (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class Snapshot:
    """A job as it stood at one moment.

    Attributes:
        ahead: Jobs that run before this one; 0 once it runs.
        progress: The newest progress, which a cancelled job keeps.
        result: What the work made, in state ``done``.
        error: Why it failed, in state ``failed``.
    """

    id: str
    state: State
    ahead: int
    progress: Progress | None
    result: Any
    error: SynferError | None


class Job:
    """One piece of work and its followers. Made by `JobQueue.submit`."""

    def __init__(self, work: Work, owner: str, changed: threading.Condition):
        self.id = secrets.token_urlsafe(16)
        self.owner = owner
        self.work = work
        self.state = State.QUEUED
        self.progress: Progress | None = None
        self.result: Any = None
        self.error: SynferError | None = None
        self.cancel_asked = False
        self._changed = changed
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def publish(
        self,
        state: State,
        *,
        progress: Progress | None = None,
        result: Any = None,
        error: SynferError | None = None,
    ) -> None:
        """Take over a new state and wake the followers; a final state stays."""
        with self._changed:
            if self.state.final:
                return
            self.state = state
            self.progress = progress or self.progress
            self.result, self.error = result, error
            bells = tuple(self._bells)
            self._changed.notify_all()
        for loop, bell in bells:
            with contextlib.suppress(RuntimeError):  # that follower's loop has closed
                loop.call_soon_threadsafe(bell.set)

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
    """

    def __init__(self, *, waiting: int = 8, kept: int = 16):
        self._limit, self._kept = waiting, kept
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._seconds = _FIRST_GUESS_SECONDS
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="synfer-device", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, owner: str) -> Job:
        """Put work in the queue.

        Raises:
            BusyError: As many jobs wait as may.
        """
        with self._changed:
            if self._closed or len(self._queue) + bool(self._running) > self._limit:
                raise BusyError(len(self._queue), self._retry_after())
            job = Job(work, owner, self._changed)
            self._jobs[job.id] = job
            self._queue.append(job)
            self._changed.notify_all()
        return job

    def snapshot(self, job: Job) -> Snapshot:
        """The job as it stands now."""
        with self._changed:
            ahead = self._queue.index(job) + 1 if job in self._queue else 0
            return Snapshot(job.id, job.state, ahead, job.progress, job.result, job.error)

    def get(self, job_id: str) -> Job | None:
        """A job by its unguessable name; None once it has been dropped."""
        with self._changed:
            return self._jobs.get(job_id)

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
                # The second is for the place in the queue, which changes without ringing.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), timeout=1.0)
                bell.clear()

    def cancel(self, job: Job) -> None:
        """Stop a job: at once if it waits, within the step it is in if it runs."""
        with self._changed:
            job.cancel_asked = True
            if job not in self._queue:
                return
            self._queue.remove(job)
        job.publish(State.CANCELLED)

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

    def _retry_after(self) -> int:
        return max(1, round(self._seconds * (len(self._queue) + 1)))

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            self._running = self._queue.popleft()
            return self._running

    def _serve(self) -> None:
        while job := self._next():
            started = time.monotonic()
            job.publish(State.RUNNING)
            _run(job)
            self._settle(job, time.monotonic() - started)

    def _settle(self, job: Job, seconds: float) -> None:
        with self._changed:
            self._running = None
            if job.state is State.DONE:
                self._seconds += 0.3 * (seconds - self._seconds)
            finished = [j for j in self._jobs.values() if j.state.final]
            for old in finished[: max(0, len(finished) - self._kept)]:
                del self._jobs[old.id]


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
