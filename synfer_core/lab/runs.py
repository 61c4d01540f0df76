"""A run's folder: ``run.json`` says what it is, beside it lie figures, pictures and weights.

``run.json`` has `kind` (``supervised``, ``pretrain``, ``zero-shot``, ``few-shot``, ``test`` or
``scaling``), `title`, `started`, `ended` (null until the run is over), `settings` and `figures`
(names of files in the folder). Whoever lists finished runs needs no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from synfer_core.errors import DataError, RequestError
from synfer_core.files import MAX_TEXT_BYTES, read_text_bytes, write_whole

RUN = "run.json"
FIGURES = "figures.json"
METHODS = {
    "supervised": "supervised",
    "aligned": "supervised, aligned",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "moco": "MoCo v3",
}
"""How people write the methods of a curve."""


class About(BaseModel):
    """What ``run.json`` holds; times are UTC, as ``2026-11-25T14:20:00Z``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    title: str
    started: str
    ended: str | None = None
    settings: Mapping[str, Any] = {}
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run under way.

    Attributes:
        folder: Where it writes.
        about: What it is.
    """

    folder: Path
    about: About

    @classmethod
    def begin(
        cls,
        folder: Path,
        kind: str,
        title: str,
        settings: Mapping[str, Any],
        *,
        again: bool = False,
    ) -> Run:
        """Make the folder and write ``run.json``.

        Args:
            folder: New, empty, or of a run of this kind that did not end.
            kind, title, settings: See the module.
            again: Also take the folder of one that did end.

        Raises:
            RequestError: The folder holds something else, or cannot be written to.
        """
        _check(folder, kind, again)
        about = About(kind=kind, title=title, started=_now(), settings=settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"cannot be made: {error.strerror}", field=str(folder)) from error
        run = cls(folder, about)
        run._write(about)
        return run

    def write(self, name: str, data: bytes) -> None:
        """Write one of the run's files."""
        write_whole(self.folder / name, data)

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write one of the run's files as JSON."""
        self.write(name, json.dumps(values, indent=1).encode() + b"\n")

    def end(self, figures: tuple[str, ...]) -> None:
        """Say that the run is over, and what there is to see of it."""
        self._write(self.about.model_copy(update={"ended": _now(), "figures": figures}))

    def _write(self, about: About) -> None:
        self.write(RUN, about.model_dump_json(indent=1).encode() + b"\n")


def read(folder: Path) -> About:
    """What a run's folder says of itself.

    Raises:
        DataError: It has no ``run.json``, or one that is none.
    """
    try:
        data = read_text_bytes(folder / RUN, RUN, limit=MAX_TEXT_BYTES)
        return About.model_validate_json(data)
    except RequestError as error:
        raise DataError("is no run of the lab", field=str(folder), allowed=RUN) from error
    except ValidationError as error:
        raise DataError(f"is damaged: {error}", field=str(folder / RUN)) from error


def _check(folder: Path, kind: str, again: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    allowed = f"a new or empty folder, or one of an unfinished {kind} run"
    if not (folder / RUN).is_file():
        raise RequestError("is there already", field=str(folder), allowed=allowed)
    before = read(folder)
    if before.kind != kind or (before.ended and not again):
        raise RequestError(f"holds a {before.kind} run", field=str(folder), allowed=allowed)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
