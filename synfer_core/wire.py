"""What travels over the HTTP API: the shapes that the server sends and the client reads."""

from __future__ import annotations

import base64
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from synfer_core import errors
from synfer_core.errors import BusyError, FaultError, SynferError
from synfer_core.facs import (
    ACTION_UNITS,
    ALIASES,
    EXPRESSIONS,
    INTENSITY_LETTERS,
    INTENSITY_WORDS,
    KNOWN_ELSEWHERE,
    MAX_INTENSITY,
    PROTOTYPES,
)
from synfer_core.request import USUAL_GUIDANCE

PREFIX = "/api/v1"
"""Where the API stands on a server."""

MAX_WORDS = 800
"""Longest text in an error, in characters: it may repeat what a request said."""

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: frozenset[JobState] = frozenset(("done", "failed", "cancelled"))
"""States after which nothing more happens."""


class _Shape(BaseModel):
    """A newer server may send more than this client knows, so unknown keys pass."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Problem(_Shape):
    """An error.

    Attributes:
        type: Its class in `synfer_core.errors`.
        field: The recipe field, file or header concerned, such as ``aus.AU12``.
        message: One plain sentence.
        allowed: What would have been accepted, such as ``0 to 5``.
        retry_after: Seconds after which to try again, where the server is busy.
    """

    type: str
    field: str | None = None
    message: str
    allowed: str | None = None
    retry_after: int | None = None

    @classmethod
    def of(cls, error: SynferError) -> Self:
        """An error as it is sent; what it repeats of a request is cut to `MAX_WORDS`."""
        parts = {name: _cut(text) for name, text in error.to_dict().items()}
        after = error.retry_after if isinstance(error, BusyError) else None
        return cls.model_validate({**parts, "retry_after": after})

    def to_error(self) -> SynferError:
        """The error to raise; a type that is not known here becomes a `FaultError`."""
        kind = getattr(errors, self.type, None)
        if not (isinstance(kind, type) and issubclass(kind, SynferError)):
            kind = FaultError
        if issubclass(kind, BusyError):
            return kind(
                self.message,
                field=self.field,
                allowed=self.allowed,
                retry_after=self.retry_after or 1,
            )
        return kind(self.message, field=self.field, allowed=self.allowed)


def _cut(text: str | None) -> str | None:
    """The text without what UTF-8 cannot hold, and no longer than an error may be."""
    if text is None:
        return None
    sound = text.encode("utf-8", "backslashreplace").decode()
    return sound if len(sound) <= MAX_WORDS else f"{sound[:MAX_WORDS]}..."


class Failure(_Shape):
    """The body of every answer that is an error."""

    error: Problem


class Health(_Shape):
    """Answer of ``/health``: the backbones that are loaded, and how full the queue is."""

    status: Literal["ok"]
    backbones: list[str]
    waiting: int


class Version(_Shape):
    """Answer of ``/version``: of the program, of the API and of recipes."""

    version: str
    api: int
    recipe: int


class Limits(_Shape):
    """Answer of ``/limits``.

    Attributes:
        waiting: Jobs that may wait for the device.
        per_client: Unfinished jobs that one address may have.
        kept_seconds: Seconds for which a finished job is kept.
        kept_jobs: Finished jobs that are kept at most; the oldest goes first.
        recipe_bytes: Largest recipe, in bytes.
        image_bytes: Largest image to read, in bytes.
        followers: Event streams that may be open at once.
    """

    waiting: int
    per_client: int
    kept_seconds: int
    kept_jobs: int
    recipe_bytes: int
    image_bytes: int
    followers: int


class Unit(_Shape):
    """One action unit; `keys` are what recipes may say, `least` and `most` the intensities."""

    key: str
    keys: list[str]
    number: int
    name: str
    region: str
    help: str
    sided: bool
    least: float = 0.0
    most: float = MAX_INTENSITY


class Intensity(_Shape):
    """One letter of FACS intensity."""

    letter: str
    value: float
    word: str


class Backbone(_Shape):
    """What a backbone can do (see `models.backbone.Capabilities`)."""

    name: str
    title: str
    note: str
    image_size: int
    aus: list[str]
    text: bool
    identity: bool
    guidance: bool
    attention: bool
    steps: bool
    semantic: bool
    guides: list[str]
    guidance_text: float = USUAL_GUIDANCE
    guidance_au: float = USUAL_GUIDANCE
    editing: bool
    drafts: bool
    identity_image: bool
    holding: bool
    scene: bool = False
    variation: bool = False
    sides: bool
    au_range: tuple[float, float]
    languages: list[str]
    aligned: bool
    sizes: tuple[int, int] | None
    good_for: str
    located: bool = False
    reasons: dict[str, str]


class Vocabulary(_Shape):
    """Answer of ``/vocabulary``: all that a recipe may name.

    Attributes:
        aliases: FACS numbers that mean another unit.
        known_elsewhere: Units of FACS that no backbone here can do, by number.
        prototypes: AU keys and intensities (0-5) to start an expression from.
    """

    expressions: list[str]
    action_units: list[Unit]
    intensities: list[Intensity]
    aliases: dict[int, int]
    known_elsewhere: dict[int, str]
    prototypes: dict[str, dict[str, float]]
    backbones: list[Backbone]

    @classmethod
    def of(cls, backbones: list[Backbone]) -> Self:
        """The one vocabulary of `synfer_core.facs`, with the backbones at hand."""
        return cls(
            expressions=list(EXPRESSIONS),
            action_units=_units(),
            intensities=[
                Intensity(letter=letter, value=value, word=INTENSITY_WORDS[letter])
                for letter, value in INTENSITY_LETTERS.items()
            ],
            aliases=dict(ALIASES),
            known_elsewhere=dict(KNOWN_ELSEWHERE),
            prototypes={name: dict(aus) for name, aus in PROTOTYPES.items()},
            backbones=backbones,
        )


def _units() -> list[Unit]:
    return [
        Unit(
            key=unit.key,
            keys=[f"AU{side}{unit.number}" for side in (("", "L", "R") if unit.sided else ("",))],
            number=unit.number,
            name=unit.name,
            region=unit.region,
            help=unit.help,
            sided=unit.sided,
        )
        for unit in ACTION_UNITS.values()
    ]


class Job(_Shape):
    """A job as it stands.

    Attributes:
        id: Its unguessable name; whoever knows it may follow, cancel and collect the job.
        state: ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
        ahead: Jobs that run before this one.
        step, total: Steps done and steps in all; 0 before the first.
        stage: What runs, such as ``denoising``.
        error: Why it failed.
        seconds_left: Seconds until it is deleted; null before it has finished.
    """

    id: str
    state: JobState
    ahead: int
    step: int
    total: int
    stage: str
    error: Problem | None = None
    seconds_left: float | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL


class Event(Job):
    """One change of a job, as the event stream sends it.

    Attributes:
        number: Its place in the job's events, from 1; the stream's event id.
        preview: The face so far as ``data:image/jpeg;base64,...``, with some steps.
    """

    number: int
    preview: str | None = None

    @property
    def jpeg(self) -> bytes | None:
        """The preview's bytes."""
        return base64.b64decode(self.preview.partition(",")[2]) if self.preview else None


class Reading(_Shape):
    """Answer of ``/annotate``: what the readers say of an image.

    Attributes:
        job: Name of the job that read it; its maps and the face as it was read are kept with it.
        label: FERAnno's distribution over the eight expressions, as `report.Label` writes it.
        verdict: What the experts say of the label that was given.
        readings: AU readings, one a reader.
        notes: Things to know, in plain words.
        identity_code: The person as a recipe takes it.
        attention: Names of the attention maps.
    """

    job: str
    label: dict[str, Any] | None
    verdict: dict[str, Any] | None
    readings: list[dict[str, Any]]
    notes: list[str]
    identity_code: list[float] | None
    attention: list[str]


class Reference(_Shape):
    """Answer of ``/references``: a face made ready to be edited.

    Attributes:
        reference: What a recipe's `reference` takes.
        aus: What the face shows, 0-5; null where nobody can tell.
        identity_code: Who it shows, as a recipe takes it; null where nobody can tell.
        notes: Things to know, in plain words.
    """

    reference: str
    aus: dict[str, float] | None
    identity_code: list[float] | None
    notes: list[str]
