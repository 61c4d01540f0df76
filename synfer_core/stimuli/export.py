"""A set written out: images, table, files for experiments, documents, contact sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from synfer_core.errors import ModelError
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.report import Pixels
from synfer_core.stimuli import confusion, documents, exports, table
from synfer_core.stimuli.archive import Sink
from synfer_core.stimuli.making import Clock, Making, Ready, Watch, Written
from synfer_core.stimuli.plan import NEUTRAL, Plan, Stimulus
from synfer_core.stimuli.record import Record

SHEET, SPECIFICATION = "contact_sheet.jpg", "specification.json"
_THUMB = 96
_EMPTY = np.full((_THUMB, _THUMB, 3), 235, np.uint8)


def export(making: Making, sink: Sink, watch: Watch) -> Record:
    """Make a set and write all its files.

    Args:
        making: Makes the images.
        sink: Takes the files.
        watch: Told after each image that was made, and again after each that was written.

    Raises:
        CancelledError: From `watch` or the making.
        SynferError: The set cannot be made; see `Making.prepare`.
        ModelError: Not one image could be matched.
    """
    ready = making.prepare(watch)
    sheet = Sheet(making.plan)
    record = _write_images(making, ready, sink, sheet, Clock("writing", len(ready.stimuli), watch))
    record = replace(record, confusion=_confusion(record, sink))
    sink.add(table.FILE, table.to_csv(record.rows))
    sink.add(exports.CONDITIONS, exports.conditions(record.stimuli, record.rows))
    sink.add(exports.PRELOAD, exports.preload(record.stimuli))
    sink.add(documents.METHODS, documents.methods(record).encode())
    sink.add(documents.DATASHEET, documents.datasheet(record).encode())
    sink.add(SPECIFICATION, making.plan.spec.model_dump_json(indent=1).encode() + b"\n")
    sink.add(SHEET, sheet.draw())
    return record


def _write_images(making: Making, ready: Ready, sink: Sink, sheet: Sheet, clock: Clock) -> Record:
    stimuli: list[Stimulus] = []
    rows: list[table.Row] = []
    failures = list(ready.failures)
    for item in making.write(ready):
        if isinstance(item, Written):
            sink.add(exports.image_path(item.stimulus), item.png)
            sheet.put(item.stimulus, item.treated.image)
            stimuli.append(item.stimulus)
            rows.append(table.row_of(item))
            clock.tick(item.stimulus.file, item.treated.image)
        else:
            failures.append(item)
            clock.tick(item.stimulus.file, None)
    if not rows:
        raise ModelError(f"no image could be matched; the first: {failures[0].error}")
    origin = making.tools.origin(stimuli[0].recipe)
    tools = making.tools
    known = (origin, tools.note, tools.opinions.missing)
    return Record(making.plan, ready.goals, stimuli, rows, failures, *known)


def _confusion(record: Record, sink: Sink) -> bytes:
    """Writes the confusion table; returns its picture, empty where nobody read."""
    if not confusion.readers(record.rows):
        return b""
    picture = confusion.picture(record.rows)
    sink.add(confusion.CSV, confusion.csv(record.rows))
    sink.add(confusion.PICTURE, picture)
    return picture


@dataclass
class Sheet:
    """A contact sheet that is filled image by image: one row for each continuum of each person."""

    plan: Plan
    _thumbs: dict[tuple[int, str, int], Pixels] = field(default_factory=dict)

    def put(self, stimulus: Stimulus, image: Pixels) -> None:
        """Put an image (S, S, 3) in its place."""
        small = Image.fromarray(image).resize((_THUMB, _THUMB), Image.Resampling.LANCZOS)
        key = stimulus.subject, stimulus.expression, stimulus.intensity
        self._thumbs[key] = np.asarray(small)

    def draw(self) -> bytes:
        """The sheet as JPEG; images that are not there are blank."""
        spec = self.plan.spec
        rows = [(n, name) for n in range(1, len(spec.identities) + 1) for name in spec.apexes]
        return contact_sheet(
            [list(self._continuum(*row)) for row in rows],
            row_names=[f"{subject} {name}" for subject, name in rows],
            column_names=[NEUTRAL, *(f"{percent} %" for percent in spec.percents)],
        )

    def _continuum(self, subject: int, name: str) -> Iterator[Pixels]:
        yield self._thumbs.get((subject, NEUTRAL, 0), _EMPTY)
        for percent in self.plan.spec.percents:
            yield self._thumbs.get((subject, name, percent), _EMPTY)
