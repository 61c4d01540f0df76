"""Many faces one after another through the queue, so that others get their turn in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from app.jobs import Job, JobQueue, Snapshot, Work
from synfer_core.errors import BusyError

RETRY_SECONDS = 1.0


async def in_turn(
    queue: JobQueue, work: Work, owner: str, client: str | None = None
) -> AsyncGenerator[Snapshot | None, None]:
    """Snapshots of one job until its final one, after which the queue forgets it.

    Closing it cancels the job.

    Args:
        queue: The queue of the device.
        work: Starts the work.
        owner: Whose it is.
        client: For whom it counts (see `JobQueue.submit`).

    Yields:
        None each time that the queue, or the client's part of it, is found full; it is tried again
        a second later.
    """
    job: Job | None = None
    while job is None:
        try:
            job = queue.submit(work, owner=owner, client=client)
        except BusyError:
            yield None
            await asyncio.sleep(RETRY_SECONDS)
    try:
        async for snapshot in queue.follow(job):
            yield snapshot
    finally:
        queue.drop(job)
