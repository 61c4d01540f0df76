"""The HTTP API, version 1: faces as jobs, followed by events; readings; the vocabulary.

A job is a recipe in the one queue of its device, which the page uses too. Whoever knows a job's
unguessable name may follow, cancel and collect it; where the server has users, only the one whose
it is. The names of a page's jobs are told to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse

from app import failures
from app.api_docs import CREATED, EVENTS, IMAGE_FORM, RECIPE_BODY, describe, page
from app.failures import responses
from app.jobs import Event, Job, JobQueue, Snapshot, State
from app.off_loop import off_loop
from app.security.users import client_of, user_of
from app.settings import Settings
from app.ui.pictures import heat_png, jpeg_url, png
from app.ui.references import edit_of, joined
from app.uploads import RECIPE_BYTES, Upload, sent_image, sent_recipe
from synfer_core import wire
from synfer_core.editing import with_person
from synfer_core.errors import BusyError, MissingError, RequestError, StateError
from synfer_core.faces.images import decode_image
from synfer_core.report import Annotation, Progress, Result, carried_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

PULSE = 10.0
"""Seconds of silence after which an event stream sends a comment, so that nobody cuts it off."""

_OWNER = "api "
_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

JobName = Annotated[str, Path(description="The job's name, as it was given when it was made.")]
MapName = Annotated[str, Path(description="An AU key such as `AU12`, or `word:POSITION:WORD`.")]
Watermark = Annotated[
    bool | None,
    Query(description="Whether to mark a made face; left out, the server's setting counts."),
]
LastEvent = Annotated[
    str | None, Header(description="Number of the last event that is known; later ones follow.")
]


def create_api(synthesizer: Synthesizer, queue: JobQueue, settings: Settings) -> FastAPI:
    """The API as an application of its own, to be mounted at `wire.PREFIX`."""
    api = FastAPI(
        title="SynFER Studio",
        version=version("synfer-studio"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    failures.install(api)
    service = Service(synthesizer, queue, settings)
    for router in (_words(service), _jobs(service), _readers(service)):
        api.include_router(router)
    describe(api, users=settings.auth is not None)
    api.add_route("/docs", page(api), methods=["GET"], include_in_schema=False)
    return api


def _words(service: Service) -> APIRouter:
    router = APIRouter(tags=["words"])
    router.get("/health")(service.health)
    router.get("/version")(service.version)
    router.get("/limits")(service.limits)
    router.get("/vocabulary")(service.vocabulary)
    router.post(
        "/recipes/check",
        responses=responses(400, 413, 422),
        openapi_extra=RECIPE_BODY,
        response_model_exclude_none=True,
    )(service.check)
    return router


def _jobs(service: Service) -> APIRouter:
    router, missing, early = APIRouter(tags=["jobs"]), responses(404), responses(404, 409)
    router.post(
        "/jobs",
        status_code=202,
        responses={**CREATED, **responses(400, 413, 422, 429, 503)},
        openapi_extra=RECIPE_BODY,
    )(service.create)
    one = "/jobs/{job_id}"
    router.get(one, responses=missing)(service.state)
    router.delete(one, status_code=204, responses=missing)(service.delete)
    router.post(f"{one}/cancel", responses=missing)(service.cancel)
    router.get(
        f"{one}/events",
        response_class=EventStream,
        responses={**EVENTS, **responses(404, 422, 503)},
    )(service.events)
    router.get(f"{one}/image", response_class=PNG, responses=early)(service.image)
    router.get(f"{one}/report", responses=early)(service.report)
    router.get(f"{one}/attention", responses=early)(service.maps)
    router.get(f"{one}/attention/{{name:path}}", response_class=PNG, responses=early)(
        service.attention
    )
    return router


def _readers(service: Service) -> APIRouter:
    router, said = APIRouter(tags=["readers"]), responses(400, 409, 413, 422, 429, 503)
    router.post("/annotate", responses=said, openapi_extra=IMAGE_FORM)(service.annotate)
    router.post("/references", responses=said, openapi_extra=IMAGE_FORM)(service.reference)
    return router


class PNG(Response):
    """A picture."""

    media_type = "image/png"


class EventStream(StreamingResponse):
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    media_type = "text/event-stream"


class Service:
    """What the routes do, for one synthesizer and its queue.

    Args:
        synthesizer: Makes and reads faces.
        queue: The queue of its device.
        settings: The server's limits.
    """

    def __init__(self, synthesizer: Synthesizer, queue: JobQueue, settings: Settings):
        self.synthesizer = synthesizer
        self.queue = queue
        self.settings = settings
        self.following = 0

    def health(self) -> wire.Health:
        """Whether the server is up, which backbones it has, and how many jobs wait."""
        names = list(self.synthesizer.capabilities)
        return wire.Health(status="ok", backbones=names, waiting=self.queue.waiting)

    def version(self) -> wire.Version:
        """Versions of the program, of the API and of recipes."""
        return wire.Version(version=version("synfer-studio"), api=1, recipe=1)

    def limits(self) -> wire.Limits:
        """What the server takes, and for how long it keeps what it made."""
        settings = self.settings
        return wire.Limits(
            waiting=settings.waiting,
            per_client=settings.per_client,
            kept_seconds=settings.kept_minutes * 60,
            kept_jobs=settings.kept,
            recipe_bytes=RECIPE_BYTES,
            image_bytes=self._image_bytes,
            followers=settings.followers,
        )

    def vocabulary(self) -> wire.Vocabulary:
        """All that a recipe may name: expressions, action units, intensities, backbones."""
        found = self.synthesizer.capabilities.values()
        return wire.Vocabulary.of([wire.Backbone.model_validate(backbone) for backbone in found])

    async def check(self, request: Request) -> Recipe:
        """The recipe completed, without making anything."""
        recipe = await sent_recipe(request)
        return await asyncio.to_thread(self.synthesizer.check, recipe)

    async def create(self, request: Request, response: Response) -> wire.Job:
        """Put a recipe in the queue. The answer's `Location` is the job's path."""
        recipe = await self.check(request)
        job = self._submit(request, lambda: self.synthesizer.stream(recipe))
        response.headers["Location"] = f"{request.scope['root_path']}/jobs/{job.id}"
        return self._shown(job)

    def state(self, request: Request, job_id: JobName) -> wire.Job:
        """The job as it stands."""
        return self._shown(self._job(request, job_id))

    def cancel(self, request: Request, job_id: JobName) -> wire.Job:
        """Stop the job within the denoising step it is in; a job that has finished stays."""
        job = self._job(request, job_id)
        self.queue.cancel(job)
        return self._shown(job)

    def delete(self, request: Request, job_id: JobName) -> None:
        """Stop the job and delete what it made."""
        self.queue.drop(self._job(request, job_id))

    async def events(
        self, request: Request, job_id: JobName, last_event_id: LastEvent = None
    ) -> EventStream:
        """Follow the job: server-sent events named by its state, until the final one.

        The data of each is an `Event`. Several clients may follow one job. Previews come with
        the newest event alone.
        """
        job, after = self._job(request, job_id), _number(last_event_id)
        if self.following >= self.settings.followers:
            raise BusyError("too many event streams are open", retry_after=5)
        return EventStream(self._stream(job, after), headers=_UNBUFFERED)

    def image(self, request: Request, job_id: JobName, watermark: Watermark = None) -> PNG:
        """The picture as PNG. A face that was made carries recipe and origin in its metadata."""
        made = self._result(request, job_id)
        if not isinstance(made, Result):
            return PNG(png(made.image))
        usual = self.settings.marking
        marking = usual if watermark is None else replace(usual, watermark=watermark)
        return PNG(made.to_png(marking))

    def report(self, request: Request, job_id: JobName) -> dict[str, Any]:
        """The recipe, the label, the verdict, the AU readings and the seconds, as JSON."""
        return self._result(request, job_id).to_dict()

    def maps(self, request: Request, job_id: JobName) -> list[str]:
        """Names of the attention maps: AU keys, and words as `word:POSITION:WORD`."""
        return list(self._result(request, job_id).attention.maps)

    def attention(self, request: Request, job_id: JobName, name: MapName) -> PNG:
        """Where an action unit or a word acted, as a see-through PNG to lay over the face."""
        maps = self._result(request, job_id).attention.maps
        if name not in maps:
            raise MissingError("there is no such map", field="name", allowed=", ".join(maps))
        return PNG(heat_png(maps[name]))

    async def annotate(self, request: Request) -> wire.Reading:
        """Read an image: label, action units, verdict. The image is kept in memory alone."""
        sent = await self._sent(request)
        job = self._submit(request, lambda: self._annotation(sent))
        read = await self._awaited(request, job)
        return wire.Reading(job=job.id, attention=list(read.attention.maps), **read.to_dict())

    async def reference(self, request: Request) -> wire.Reference:
        """Make a face ready to be edited: aligned, and as a recipe's `reference` takes it."""
        sent = await self._sent(request)
        job = self._submit(request, lambda: self._reference(sent))
        made: wire.Reference = await self._awaited(request, job)
        self.queue.drop(job)
        return made

    async def _sent(self, request: Request) -> Upload:
        """The image that a client sent, which can be read: what cannot takes no place in the queue.

        Raises:
            FormatError: See `sent_image`, for this and other errors.
            ImageError: It cannot be read.
        """
        sent = await sent_image(request, self._image_bytes)
        await off_loop(decode_image, sent.data)
        return sent

    @property
    def _image_bytes(self) -> int:
        return self.settings.upload_mb * 1_000_000

    def _submit(self, request: Request, work: Any) -> Job:
        """Put a client's work in the queue.

        Raises:
            BusyError: The queue is full.
            QuotaError: The client has as many unfinished jobs as it may.
        """
        client = client_of(request.scope)
        return self.queue.submit(work, owner=_OWNER + client, client=client)

    def _job(self, request: Request, job_id: str) -> Job:
        """A client's job; where the server has users, the user's own.

        Raises:
            MissingError: There is none of that name.
        """
        job, user = self.queue.get(job_id), user_of(request.scope)
        mine = job is not None and (user is None or job.client == user)
        if job is None or not mine or not job.owner.startswith(_OWNER):
            why = f"what has finished is kept for {self.settings.kept_minutes} minutes"
            if self.queue.lost(job_id):
                why = (
                    "the server has been started again since it was made, "
                    "and the job and all it made are lost; send it again"
                )
            raise MissingError(f"there is no such job: {why}", field="job_id")
        return job

    def _result(self, request: Request, job_id: str) -> Result | Annotation:
        """What a job made.

        Raises:
            MissingError: There is no such job, or it has made no face.
            StateError: It has not finished, has failed or was cancelled.
        """
        snapshot = self.queue.snapshot(self._job(request, job_id))
        if snapshot.state is not State.DONE:
            raise StateError(f"the job is {snapshot.state}", field="state", allowed="done")
        if not isinstance(snapshot.result, Result | Annotation):
            raise MissingError("the job has made no face", field="job_id")
        return snapshot.result

    def _shown(self, job: Job) -> wire.Job:
        snapshot = self.queue.snapshot(job)
        return wire.Job(id=job.id, seconds_left=snapshot.seconds_left, **_facts(snapshot))

    async def _awaited(self, request: Request, job: Job) -> Any:
        """What a job makes; a client that goes away cancels it.

        Raises:
            StateError: It was cancelled.
            SynferError: It failed.
        """
        async for _ in self.queue.follow(job):
            if await request.is_disconnected():
                self.queue.cancel(job)
        snapshot = self.queue.snapshot(job)
        if snapshot.state is State.DONE:
            return snapshot.result
        self.queue.drop(job)  # nobody has been told its name
        raise snapshot.error or StateError("the job was cancelled", field="state", allowed="done")

    async def _stream(self, job: Job, after: int) -> AsyncIterator[bytes]:
        """A job's events in the form of server-sent events."""
        self.following += 1
        try:
            async for event in self.queue.events(job, after, PULSE):
                if event is None:
                    yield KEEPALIVE_COMMENT
                    continue
                sent = await asyncio.to_thread(self._event, job, event)
                yield format_sse_event(
                    data_str=sent.model_dump_json(), event=event.state, id=str(event.number)
                )
        finally:
            self.following -= 1

    def _event(self, job: Job, event: Event) -> wire.Event:
        preview = event.progress.preview if event.progress else None
        return wire.Event(
            id=job.id,
            number=event.number,
            preview=None if preview is None else jpeg_url(preview),
            **_facts(event),
        )

    def _annotation(self, sent: Upload) -> Generator[Progress | Annotation, None, None]:
        yield Progress(0, 1, "annotation")
        yield self.synthesizer.annotate(decode_image(sent.data), sent.label)

    def _reference(self, sent: Upload) -> Generator[Progress | wire.Reference, None, None]:
        yield Progress(0, 1, "alignment")
        made_by, notes = carried_recipe(sent.data)
        edit, known = edit_of(self.synthesizer, decode_image(sent.data), made_by)
        recipe = edit.recipe
        assert recipe.reference is not None
        code = with_person(recipe).identity_code
        yield wire.Reference(
            reference=recipe.reference,
            aus=joined(recipe.aus) if known else None,
            identity_code=None if code is None else list(code),
            notes=[*edit.notes, *notes],
        )


def _facts(job: Snapshot | Event) -> dict[str, Any]:
    """What a job's state and each of its events tell alike."""
    now = job.progress
    return {
        "state": job.state.value,
        "ahead": job.ahead,
        "step": now.step if now else 0,
        "total": now.total if now else 0,
        "stage": now.stage if now else "",
        "error": wire.Problem.of(job.error) if job.error else None,
    }


def _number(last_event: str | None) -> int:
    """The number of an event.

    Raises:
        RequestError: It is none.
    """
    if not last_event:
        return 0
    if not (last_event.isascii() and last_event.isdigit() and len(last_event) <= 9):
        raise RequestError("is no event's number", field="Last-Event-ID", allowed="0 or more")
    return int(last_event)
