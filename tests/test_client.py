"""The Python client against a real server with a tiny model."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import jobs
from app.api import Service
from app.settings import Settings
from synfer_core.client import Client
from synfer_core.errors import (
    BusyError,
    CancelledError,
    FaultError,
    ImageError,
    MissingError,
    RequestError,
    StateError,
    SynferError,
    TooLargeError,
    UnreachableError,
    UnsupportedError,
)
from synfer_core.report import read_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.wire import Event
from tests.app.test_jobs import Steps, fails, wait_for
from tests.serving import Server, free_port, served

SMILE = Recipe.parse({"facs": "12D", "text": "a smile", "steps": 3})
LONG = SMILE.model_copy(update={"steps": 100})


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[Server]:
    settings = Settings(waiting=1, per_client=100, upload_mb=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "_FIRST_GUESS_SECONDS", 1.0)
        with served(synthesizer, settings) as one:
            yield one


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as one:
        yield one
    wait_for(lambda: all(job.state.final for job in server.queue.jobs()))


@pytest.fixture
def full(server: Server, client: Client) -> Iterator[Steps]:
    """A server that has no place until the test lets it go on."""
    first, second = Steps(1), Steps(1)
    second.let(1)
    server.queue.submit(first, owner="one")
    assert first.started.wait(10)
    server.queue.submit(second, owner="two")
    yield first
    first.let(1)


def test_a_face_is_made_as_it_would_be_here(
    client: Client, synthesizer: Synthesizer, tmp_path: Path
) -> None:
    events: list[Event] = []
    face = client.generate(SMILE, events.append)
    expected = synthesizer.generate(SMILE)
    assert face.recipe == expected.recipe == read_recipe(face.png)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(face.png))), expected.export().pixels)
    assert face.report["asked"] == "12D"
    face.save_png(tmp_path / "face.png")
    assert (tmp_path / "face.png").read_bytes() == face.png
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert (events[0].state, events[-1].state) == ("queued", "done")


def test_previews_are_pictures(client: Client) -> None:
    seen: list[bytes | None] = []
    client.generate(SMILE.model_copy(update={"steps": 40}), lambda event: seen.append(event.jpeg))
    previews = [Image.open(io.BytesIO(data)) for data in seen if data]
    assert previews
    assert {(picture.format, picture.size) for picture in previews} == {("JPEG", (128, 128))}


def test_words_and_completed_recipes(client: Client, synthesizer: Synthesizer) -> None:
    names = [backbone.name for backbone in client.vocabulary().backbones]
    assert names == ["builtin", "facekit"]
    assert client.check({"facs": "12D"}) == synthesizer.check(Recipe.parse({"facs": "12D"}))


def test_errors_are_raised_as_they_would_be_here(client: Client) -> None:
    with pytest.raises(UnsupportedError) as caught:
        client.generate({"backbone": "other"})
    assert (caught.value.field, caught.value.allowed) == ("backbone", "builtin, facekit")
    with pytest.raises(RequestError, match="0 to 5"):
        client.submit({"aus": {"AU12": 6}})
    with pytest.raises(MissingError):
        client.job("what-never-was")


def test_what_a_job_failed_of_is_raised(
    client: Client, synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = fails(UnsupportedError("cannot do that", field="aus.AU16"))
    monkeypatch.setattr(Synthesizer, "stream", lambda *_: work())
    with pytest.raises(UnsupportedError, match="cannot do that") as caught:
        client.generate(SMILE)
    assert caught.value.field == "aus.AU16"


def blank() -> bytes:
    """An image that can be read and shows nobody."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_a_full_server_is_asked_again_for_a_while(client: Client, full: Steps) -> None:
    with pytest.raises(BusyError) as caught:
        client.generate(SMILE, patience=0)
    assert caught.value.retry_after >= 1
    with pytest.raises(BusyError):
        client.annotate(blank(), patience=0)
    threading.Timer(0.3, full.let, (1,)).start()
    assert client.generate(SMILE, patience=30).recipe.steps == 3


def test_a_job_is_stopped_and_thrown_away(client: Client) -> None:
    job = client.submit(LONG).id
    with pytest.raises(StateError):
        client.result(job)
    client.cancel(job)
    assert list(client.events(job))[-1].state == "cancelled"
    assert client.job(job).final
    client.discard(job)
    with pytest.raises(MissingError):
        client.result(job)


def test_what_ends_the_wait_cancels_the_job(client: Client, server: Server) -> None:
    class Enough(Exception):
        pass

    def stop(event: Event) -> None:
        if event.step >= 2:
            raise Enough(event.id)

    with pytest.raises(Enough) as caught:
        client.generate(LONG, stop)
    job = server.queue.get(str(caught.value))
    assert job is not None
    wait_for(lambda: job.state is jobs.State.CANCELLED)


def test_a_job_that_somebody_else_cancels_is_told(client: Client, server: Server) -> None:
    def cancel(event: Event) -> None:
        with Client(server.url) as other:
            other.cancel(event.id)

    with pytest.raises(CancelledError):
        client.generate(LONG, cancel)


def test_events_that_break_off_are_taken_up_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, connections = Service._stream, []

    async def cut(self: Service, job: jobs.Job, after: int) -> AsyncIterator[bytes]:
        connections.append(after)
        async with contextlib.aclosing(whole(self, job, after)) as events:  # type: ignore[type-var]
            async for sent in events:
                yield sent
                if len(connections) == 1:
                    raise ConnectionResetError("pulled the plug")
                if len(connections) == 2:
                    return

    monkeypatch.setattr(Service, "_stream", cut)
    numbers = [event.number for event in client.events(client.submit(SMILE).id)]
    assert numbers == list(range(1, numbers[-1] + 1))
    assert connections == [0, 1, 2]


def test_attention_comes_by_name(client: Client) -> None:
    maps = client.attention(client.generate(SMILE).job)
    assert "AU12" in maps
    assert {Image.open(io.BytesIO(data)).mode for data in maps.values()} == {"RGBA"}


def test_images_are_read_from_files_and_from_memory(client: Client, tmp_path: Path) -> None:
    face = client.generate(SMILE)
    file = tmp_path / "face.png"
    face.save_png(file)
    read = client.annotate(file)
    again = client.annotate(face.png, "happiness")
    assert (again.readings, again.label) == (read.readings, read.label)
    with pytest.raises(MissingError, match="made no face"):
        client.result(read.job)
    with pytest.raises(ImageError, match="absent"):
        client.annotate(tmp_path / "absent.png")
    with pytest.raises(ImageError):
        client.annotate(b"no image")
    with pytest.raises(TooLargeError, match="1,000,000 bytes"):
        client.annotate(bytes(1_000_001))


def test_a_face_is_edited(client: Client) -> None:
    reference = client.reference(client.generate(SMILE).png)
    assert reference.aus == {"AU12": 4.0}
    edited = client.generate({"reference": reference.reference, "aus": {"AU4": 3.0}})
    assert edited.report["reconstruction_psnr"] is not None


def test_a_server_that_is_not_there_is_named() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(UnreachableError):
            client.vocabulary()
        start = time.monotonic()
        with pytest.raises(UnreachableError):
            next(client.events("a-job", patience=0.2))
        assert time.monotonic() - start < 10


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """The address of a server of web pages, which knows no API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("call", ["vocabulary", "generate"])
def test_another_kind_of_server_is_a_fault(other: str, call: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"vocabulary": (), "generate": (SMILE,)}
    with Client(other) as client, pytest.raises(FaultError) as caught:
        getattr(client, call)(*arguments[call])
    assert isinstance(caught.value, SynferError)
