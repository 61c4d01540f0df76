"""What matching across people does to skin, told with a set's figures while the form is typed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator

from app.jobs import JobQueue, Snapshot, State
from app.off_loop import off_loop
from synfer_core.errors import BusyError
from synfer_core.report import Pixels, Progress
from synfer_core.request import Recipe
from synfer_core.stimuli import skin
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.record import Change
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.synthesizer import Synthesizer

MOST = 24
"""People that are drawn to tell; a set may have more."""

PATIENCE = 20.0
"""Seconds that the figures may take; the warning stands without them."""

ACROSS = (
    "Matching across people changes skin: dark skin comes out lighter and greyer, light skin "
    "darker. To keep every person's skin as it is, match to each person's own average."
)


async def warning(spec: StimulusSet, synthesizer: Synthesizer, queue: JobQueue) -> str:
    """What a set's matching does to skin, in words; empty where it does nothing to it.

    The figures are left out where the exact renderer is not here or the queue is full.
    """
    if not skin.matters(spec):
        return ""
    if skin.EXACT not in synthesizer.capabilities:
        return ACROSS
    # Of many people the first are told of, so only theirs is planned.
    first = spec.model_copy(update={"identities": spec.identities[:MOST]})
    change = await _foreseen(await off_loop(Plan.of, first), synthesizer, queue)
    return f"{ACROSS} {_figures(spec, change)}" if change else ACROSS


def _figures(spec: StimulusSet, change: Change) -> str:
    some = f" of the first {MOST}" if len(spec.identities) > MOST else ""
    return f"Largest change of mean luminance here{some}: about that of {change} (of 255)."


async def _foreseen(plan: Plan, synthesizer: Synthesizer, queue: JobQueue) -> Change | None:
    def draw(recipe: Recipe) -> Pixels:
        *_, last = synthesizer.backbones[skin.EXACT].stream(recipe)
        assert not isinstance(last, Progress)
        return last.image

    def work() -> Iterator[Progress | Change]:
        yield Progress(0, 1, "measuring skin")
        yield skin.foresee(plan, draw, MOST)

    try:
        job = queue.submit(work, owner=f"skin {secrets.token_urlsafe(8)}")
    except BusyError:
        return None
    last: Snapshot | None = None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                async for snapshot in queue.follow(job):
                    last = snapshot
    finally:
        queue.drop(job)
    done = last is not None and last.state is State.DONE
    return last.result if last is not None and done else None
