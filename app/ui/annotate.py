"""The tab that reads images: one or many, in memory, each page's gone when the page closes.

A page asks for a token before it sends anything. Its script sends the images one by one with that
token, and each waits here until the page's job in the queue reads it; then its bytes are dropped.
What was read stays until the page clears it or closes. The page fetches rows, reports and tables as
it needs them.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import gradio as gr

from app.bounded_store import BoundedStore, weigh
from app.jobs import Job, JobQueue, Snapshot, State
from app.pages import Pages, client_of_page
from app.settings import Settings
from app.tokens import opened_by
from app.ui import results
from app.ui.annotate_view import form_html, landmarks_html, row_of, shown_value
from app.ui.values import Value, page_name, stamped, told
from app.uploads import said_label, uploaded
from synfer_core.annotations.reading import Failed, Outcome, Read, Source, read_all, voted
from synfer_core.annotations.table import STYLES, Writer
from synfer_core.errors import (
    ImageError,
    MissingError,
    RequestError,
    SynferError,
    TooLargeError,
)
from synfer_core.faces.images import decode_image
from synfer_core.facs import Expression
from synfer_core.report import Progress
from synfer_core.synthesizer import Synthesizer

PATIENCE = 8.0
"""Seconds that the first image waits for MediaPipe to be loaded, or its model fetched."""

_NAME = 200  # letters of a file's name that are kept
_EMPTY = "What is read off the image will stand here."
_GONE = "These images are not here any more. Add them again."


@dataclass
class Item:
    """One image of a batch.

    Attributes:
        number: Its place in the batch, from 1.
        name: Its file's name.
        data: Its bytes until it is read.
        first: What was read off it without a label.
        outcome: The same with the label that was asked for last, and its vote.
        size: Bytes of memory that it takes.
    """

    number: int
    name: str
    data: bytes | None
    first: Outcome | None = None
    outcome: Outcome | None = None
    size: int = 0

    def waits(self, said: Expression | None) -> bool:
        """Whether it is still to be read, or to be voted on under this label."""
        if isinstance(self.outcome, Read):
            return self.outcome.said != said
        return self.outcome is None


@dataclass(eq=False)
class Batch:
    """What one open page has sent.

    Attributes:
        token: Names it to the page's requests; nobody else knows it.
        items: Its images, in their order.
        changes: Numbers of the items as they were read, the newest last.
        received: Bytes that came, in all.
        size: Bytes of memory that it takes.
    """

    token: str
    items: list[Item] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    received: int = 0
    size: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, name: str, data: bytes, settings: Settings) -> Item:
        """Take in an image.

        Raises:
            TooLargeError: That would be too many, or too much.
        """
        most, limit = settings.annotate_files, settings.annotate_mb
        with self.lock:
            if len(self.items) >= most:
                raise TooLargeError(
                    "too many images", field="images", allowed=f"at most {most} at a time"
                )
            if self.received + len(data) > limit * 1_000_000:
                raise TooLargeError(
                    "too much in all", field="images", allowed=f"at most {limit} MB at a time"
                )
            self.received += len(data)
            self.size += len(data)
            self.items.append(Item(len(self.items) + 1, name, data, size=len(data)))
            return self.items[-1]

    def finish(self, item: Item, outcome: Outcome) -> None:
        """Keep what was read and drop the image."""
        with self.lock:
            item.first, item.data = item.first or outcome, None
            item.outcome = outcome
            size = weigh(item)
            self.size, item.size = self.size + size - item.size, size
            self.changes.append(item.number)

    def waiting(self, said: Expression | None) -> Item | None:
        """The next image to read; more may have come in the meantime."""
        with self.lock:
            return next((item for item in self.items if item.waits(said)), None)


class Annotate:
    """The tab's events, for one synthesizer and its queue.

    Args:
        synthesizer: Reads the images.
        queue: The queue of its device.
        settings: The server's limits.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
        pages: Pages | None = None,
    ):
        self.synthesizer, self.queue, self.settings = synthesizer, queue, settings
        pages = pages or Pages()
        self._batches = BoundedStore[Batch](
            settings.in_memory, size=lambda batch: batch.size, alive=pages.connected
        )
        pages.watch(self._batches)
        pages.on_leave(self.forget)

    def open(self, request: gr.Request) -> tuple[Value, Value, str]:
        """A page begins, or begins anew: drop what it had; answers a token, stage and report."""
        self.leave(request)
        batch = self._batches.put(page_name(request), Batch(secrets.token_urlsafe(16)))
        begin = stamped({"phase": "open", "status": "", "token": batch.token})
        return begin, stamped({"phase": "idle"}), results.empty_report_html(_EMPTY)

    def add(self, sent: object) -> dict[str, Any]:
        """Take in one image that a page sends with its token; answers its number, or an error."""
        try:
            batch = self._batch(sent)
            data = uploaded(sent, self.settings.upload_mb)
            item = batch.add(_name(sent), data, self.settings)
        except SynferError as error:
            return {"error": error.to_dict()}
        _refuse_damaged(batch, item)
        return {"number": item.number}

    async def read(self, asked: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Read what a page has sent; yields values for the page's script and for the notice."""
        try:
            batch, said = self._batch(asked), said_label(asked)
            job = self._start(page_name(request), batch, said)
        except SynferError as error:
            yield stamped({"phase": "failed", "status": ""}), told(error)
            return
        try:
            async for snapshot in self.queue.follow(job):
                yield stamped({**_progress(snapshot), "token": batch.token}), _notice(snapshot)
        finally:
            self.queue.drop(job)

    def rows(self, asked: object) -> dict[str, Any]:
        """Rows of the images that were read after so many changes."""
        try:
            batch = self._batch(asked)
        except SynferError as error:
            return {"error": error.to_dict()}
        with batch.lock:
            numbers = sorted(set(batch.changes[_whole(asked, "known") :]))
            items = [batch.items[number - 1] for number in numbers]
            rows = [row_of(item.number, item.outcome) for item in items if item.outcome]
            return {"rows": rows, "known": len(batch.changes)}

    def show(self, asked: object) -> tuple[Any, Any]:
        """Stage and report of one image."""
        try:
            batch = self._batch(asked)
            outcome = batch.items[_whole(asked, "show") - 1].outcome
        except (SynferError, IndexError):
            return gr.skip(), gr.skip()
        if not isinstance(outcome, Read):
            return gr.skip(), gr.skip()
        report = results.annotation_html(outcome.annotation, outcome.opinion)
        return stamped(shown_value(outcome)), report

    def table(self, asked: object) -> dict[str, Any]:
        """The table of all that was read so far, as CSV; answers text and a file's name."""
        try:
            batch = self._batch(asked)
            style = str(asked.get("style")) if isinstance(asked, Mapping) else ""
            if style not in STYLES:
                raise RequestError("is no style", field="style", allowed=", ".join(STYLES))
        except SynferError as error:
            return {"error": error.to_dict()}
        file = io.StringIO(newline="")
        writer = Writer(file, STYLES[style])
        for item in batch.items:
            if item.outcome:
                writer.write(item.outcome)
        return {"text": file.getvalue(), "file": f"annotations_{style}.csv"}

    def cancel(self, request: gr.Request) -> None:
        """Stop this page's reading after the image it is at."""
        self.queue.cancel_owner(_owner(page_name(request)))

    def leave(self, request: gr.Request) -> None:
        """The page was closed: stop its reading and drop all that it sent."""
        self.forget(page_name(request))

    def forget(self, page: str) -> None:
        """Stop a page's reading and drop all that it sent."""
        self.queue.forget(_owner(page))
        self._batches.drop(page)

    def _batch(self, sent: object) -> Batch:
        """The batch whose token a page sends.

        Raises:
            MissingError: There is none: its page was closed, or another server ran then.
        """
        for page in self._batches:
            batch = self._batches.find(page)
            if batch and opened_by([batch], sent):
                self._batches.resize(page)
                return batch
        raise MissingError(_GONE, field="images")

    def _start(self, page: str, batch: Batch, said: Expression | None) -> Job:
        """The page's one job, in place of the one it had.

        Raises:
            BusyError: The queue is full.
        """
        self.queue.forget(_owner(page))
        client = client_of_page(page)
        return self.queue.submit(lambda: self._work(batch, said), owner=_owner(page), client=client)

    def _work(self, batch: Batch, said: Expression | None) -> Iterator[Progress]:
        """Read until nothing waits. Runs in the queue's thread; closing it stops it."""
        done = sum(not item.waits(said) for item in batch.items)
        while item := batch.waiting(said):
            yield Progress(done, len(batch.items), item.name)
            batch.finish(item, self._outcome(item, said))
            done += 1
        yield Progress(done, len(batch.items), "")

    def _outcome(self, item: Item, said: Expression | None) -> Outcome:
        first = item.first
        if first is None:
            source = Source(item.name, lambda: item.data or b"")
            first = item.first = next(read_all(self.synthesizer, [source], patience=PATIENCE))
        return first if isinstance(first, Failed) else voted(self.synthesizer, first, said)


def _refuse_damaged(batch: Batch, item: Item) -> None:
    """Decode an image as it comes: what no reader could read never waits for one."""
    try:
        decode_image(item.data or b"")
    except ImageError as error:
        batch.finish(item, Failed(item.name, error))


def _owner(page: str) -> str:
    """Whose the job is: cancelling the page's face leaves it alone."""
    return f"{page} reading"


def _name(sent: object) -> str:
    name = sent.get("name") if isinstance(sent, Mapping) else None
    return str(name or "image")[:_NAME]


def _whole(asked: object, key: str) -> int:
    """A whole number that a page sends, 0 where it sends none."""
    value = asked.get(key) if isinstance(asked, Mapping) else None
    return value if isinstance(value, int) and value > 0 else 0


def _progress(snapshot: Snapshot) -> Value:
    """The job as the page's script takes it."""
    if snapshot.state is State.QUEUED:
        return results.progress_value(snapshot)
    now = snapshot.progress
    at = {"done": now.step, "total": now.total, "name": now.stage} if now else {}
    phase = "running" if snapshot.state is State.RUNNING else snapshot.state.value
    return {"phase": phase, "status": "", **at}


def _notice(snapshot: Snapshot) -> Any:
    return told(snapshot.error) if snapshot.error else gr.skip()


def tab(
    page: gr.Blocks,
    annotate: Annotate,
    notice: gr.HTML,
    part: Callable[..., gr.HTML],
    report_part: Callable[[str, str], gr.HTML],
) -> None:
    """The tab's parts and events.

    Args:
        page: The page it is on.
        annotate: Its events.
        notice: Where errors go.
        part: Makes a part of the page from scripts, markup and value.
        report_part: Makes a report's place.
    """

    def add_image(sent: object) -> dict[str, Any]:  # Gradio marks them, which no method allows
        return annotate.add(sent)

    def read_rows(asked: object) -> dict[str, Any]:
        return annotate.rows(asked)

    def write_table(asked: object) -> dict[str, Any]:
        return annotate.table(asked)

    with gr.Row(elem_id="reading"):
        with gr.Column(elem_id="reading-left"):
            functions = [add_image, read_rows, write_table]
            markup = form_html(annotate.settings)
            form = part("annotate", markup, None, "image", server_functions=functions)
            answers = part("annotated", "<span></span>", None, "image")
        with gr.Column(elem_id="reading-right"):
            empty = results.stage_html(main=False, empty="No image yet.") + landmarks_html()
            stage = part("stage landmarks", empty, {"phase": "idle"}, "image")
            report = report_part("image-report", results.empty_report_html(_EMPTY))
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.open(annotate.open, outputs=[answers, stage, report], queue=False, **quiet)
    form.read(
        annotate.read,
        inputs=[form],
        outputs=[answers, notice],
        trigger_mode="multiple",
        **quiet,
    )
    form.show(
        annotate.show,
        inputs=[form],
        outputs=[stage, report],
        queue=False,
        trigger_mode="multiple",
        **quiet,
    )
    form.cancel(annotate.cancel, queue=False, **quiet)
    page.unload(annotate.leave)
