"""A finished data set as one file to download, written in a thread and fetched in parts."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.bounded_store import Bounds
from app.errands import Errand
from app.jobs import JobQueue
from app.pages import Pages
from app.places import Places, checked
from app.shelf import USUAL, Files, size_of
from app.ui.data_build import SET
from app.ui.longer import LongerWork
from app.ui.values import Value, page_name, stamped
from synfer_core.data import export
from synfer_core.data.manifest import MANIFEST, read
from synfer_core.errors import MissingError, RequestError
from synfer_core.stimuli.archive import zipped
from synfer_core.synthesizer import Synthesizer

MAX_WRITERS = 2
"""Files that are written at once; more are told to come back."""


@dataclass(frozen=True)
class Written:
    """A set as a file to download."""

    files: Files


class Writing(Errand[Written]):
    """A finished set on its way into one file.

    Args:
        name: Of the set.
        form: An export's form, or `MANIFEST`.
        splits: Whether people are parted.
        page: Whose it is.
        places: Where the set is.
        synthesizer, queue: Not used; errands have them.
    """

    def __init__(
        self,
        name: str,
        form: str,
        splits: bool,
        page: str,
        places: Places,
        synthesizer: Synthesizer,
        queue: JobQueue,
    ):
        super().__init__("export", synthesizer, queue, self._write)
        self.name, self.form, self.splits = name, form, splits
        self.page, self.places = page, places
        self.done, self.total = 0, 0

    def _write(self) -> Written:
        with self.places.using(self.page, self.name) as folder, ExitStack() as stack:
            manifest = _finished(folder) / MANIFEST
            if self.form == MANIFEST:
                return Written({f"{self.name}.jsonl": manifest.open("rb")})
            self.total = sum(record.kept for record in read(manifest))
            file = stack.enter_context(tempfile.TemporaryFile())
            with zipped(file) as sink:
                form = next(form for form in export.FORMS if form == self.form)
                export.fill(manifest.parent, form, sink, splits=self.splits, tell=self._tell)
            stack.pop_all()  # it stays open until the page leaves
        return Written({f"{self.name}-{self.form}.zip": file})

    def _tell(self, done: int) -> None:
        self.stop_if_cancelled()
        self.done = done
        self.ring()


def _finished(folder: Path) -> Path:
    """The set in the folder of a name.

    Raises:
        MissingError: There is none, or it is not finished.
    """
    if not (folder / SET / MANIFEST).is_file():
        raise MissingError("there is no finished set of this name", field="name")
    return folder / SET


class Exports(LongerWork[Writing]):
    """The events of the downloads."""

    def __init__(
        self,
        places: Places,
        synthesizer: Synthesizer,
        queue: JobQueue,
        bounds: Bounds = USUAL,
        pages: Pages | None = None,
    ):
        super().__init__(MAX_WRITERS, "file", "files", bounds, pages)
        self._with = (places, synthesizer, queue)

    async def write(self, asked: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Write a finished set into a file; yields values for the downloads and for the notice."""
        page = page_name(request)
        async for update in self.show(page, lambda: self._start(page, asked), _written, _ready):
            yield update

    def _start(self, page: str, asked: object) -> Callable[[], Writing]:
        """Raises:
        RequestError: What is asked for is not known.
        MissingError: The page has no such set.
        """
        values = asked if isinstance(asked, Mapping) else {}
        forms = (*export.FORMS, MANIFEST)
        form, name = values.get("form"), checked(values.get("name"))
        if name not in self._with[0].names(page):
            raise MissingError("there is no finished set of this name", field="name")
        if form not in forms:
            raise RequestError("is no form", field="form", allowed=", ".join(forms))
        splits = values.get("splits") is True

        def begin() -> Writing:
            writing = (name, str(form), splits, page, *self._with)
            return self.errands.start(page, lambda: Writing(*writing))

        return begin


def _written(writing: Writing) -> Value:
    status = f"Writing image {writing.done:,} of {writing.total:,}" if writing.total else "Starting"
    return stamped(
        {"phase": "running", "status": status, "done": writing.done, "total": writing.total}
    )


def _ready(token: str, written: Written) -> Value:
    ((name, file),) = written.files.items()
    kind = "application/zip" if name.endswith(".zip") else "application/x-ndjson"
    size = size_of(file)
    value = {"phase": "done", "status": f"{name}, {size / 1e6:.1f} MB", "token": token}
    return stamped({**value, "file": name, "bytes": size, "type": kind})
