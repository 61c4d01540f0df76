from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.types import Message

from app.jobs import JobQueue
from app.main import create_app
from app.schemas import forms_of
from app.settings import Settings
from app.ui import page
from synfer_core.faces import landmarks
from synfer_core.faces.landmarks import VARIABLE
from synfer_core.faces.second_opinion import NO_FACE, PENDING, SecondOpinion
from synfer_core.report import AUReading, Pixels
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def app(synthesizer: Synthesizer) -> Iterator[FastAPI]:
    async def build() -> FastAPI:  # outside of a loop, Gradio makes one and leaves it open
        return create_app(synthesizer, Settings(upload_mb=1))

    made = asyncio.run(build())
    yield made
    made.state.queue.close()


@pytest.fixture
def studio(synthesizer: Synthesizer) -> Iterator[page.Studio]:
    queue = JobQueue(waiting=1)
    yield page.Studio(synthesizer, queue, Settings(upload_mb=1))
    queue.close()


def ask(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def visitor(name: str = "page") -> gr.Request:
    return gr.Request(session_hash=name)


def forms(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    made = forms_of(Recipe.parse({"aus": {"AU12": 4.0}, "text": "a smile", "steps": 3, **fields}))
    return made.panel, made.controls


async def gather(updates: AsyncIterator[page.Update]) -> list[page.Update]:
    """The values a page has after each update; what an update skips stays as it was."""
    shown: list[page.Update] = []
    async for update in updates:
        before = shown[-1] if shown else update
        stage, report, notice = (
            old if new == gr.skip() else new for old, new in zip(before, update, strict=True)
        )
        shown.append((stage, report, notice))
    return shown


def run(updates: AsyncIterator[page.Update]) -> list[page.Update]:
    return asyncio.run(asyncio.wait_for(gather(updates), 60))


def test_health_version_and_vocabulary(app: FastAPI) -> None:
    assert ask(app, "GET", "/api/v1/health").json()["backbones"] == ["builtin", "facekit"]
    assert ask(app, "GET", "/api/v1/version").json()["recipe"] == 1
    words = ask(app, "GET", "/api/v1/vocabulary").json()
    assert words["expressions"][1] == "happiness"
    assert words["prototypes"]["happiness"]["AU12"] == 4.0
    assert {u["key"]: u["sided"] for u in words["action_units"]}["AU25"] is False


def test_the_page_names_no_other_host(app: FastAPI) -> None:
    answer = ask(app, "GET", "/")
    assert answer.status_code == 200
    assert "SynFER" in answer.text
    assert "fonts.googleapis.com" not in answer.text
    config = ask(app, "GET", "/config").json()
    assert config["analytics_enabled"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=http://example.org/x.png"),
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/proxy=http://example.org/"),
        ("GET", "//gradio_api/file=/etc/passwd"),
        ("GET", "/file=/etc/passwd"),
    ],
)
def test_no_file_goes_in_or_out(app: FastAPI, method: str, path: str) -> None:
    answer = ask(app, method, path)
    assert answer.status_code in (404, 405) or "root:" not in answer.text
    assert answer.status_code != 200 or "<html" in answer.text


def test_a_large_body_is_refused_with_and_without_its_length(app: FastAPI) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(100_000)

    path = "/gradio_api/queue/join"
    for content in (bytes(3_000_000), chunks()):
        answer = ask(app, "POST", path, content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "TooLargeError"
    assert ask(app, "GET", "/api/v1/health").status_code == 200


def test_a_face_comes_with_picture_report_and_overlays(studio: page.Studio) -> None:
    updates = run(studio.generate(*forms(expression="happiness"), visitor()))
    phases = [update[0]["phase"] for update in updates]
    assert phases[-1] == "done"
    stage, report, notice = updates[-1]
    content = base64.b64decode(stage["image"].split(",")[1])
    assert Image.open(io.BytesIO(content)).size == (128, 128)
    assert page.recipe_of(content).action_units == {"AU12": 4.0}
    assert stage["maps"][0]["key"] == "AU12"
    assert report.count("bar-row") == 8
    assert "Read by au-reader" in report
    assert notice is None


def test_the_face_does_not_wait_for_mediapipe(
    studio: page.Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def read(image: Pixels, patience: float) -> SecondOpinion:
        asked.append(image.shape)
        return SecondOpinion(AUReading({"AUL12": 1.2, "AUR12": 1.2}, "mediapipe 0"))

    monkeypatch.setattr(page, "second_opinion", read)
    *_, first, last = run(studio.generate(*forms(), visitor()))
    assert PENDING.why in first[1]
    assert "mediapipe 0" in last[1]
    assert PENDING.why not in last[1]
    assert first[0] is last[0], "the picture stays as it is"
    assert first[0]["phase"] == "done"
    assert asked == [(128, 128, 3)]


def test_what_mediapipe_says_too_late_is_dropped(
    studio: page.Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def read(image: Pixels, patience: float) -> SecondOpinion:
        if not started.is_set():
            started.set()
            go_on.wait(30)
        return NO_FACE

    async def two() -> tuple[list[page.Update], list[page.Update]]:
        first = asyncio.create_task(gather(studio.generate(*forms(), visitor())))
        await asyncio.to_thread(started.wait, 30)
        second = await gather(studio.generate(*forms(), visitor()))
        go_on.set()
        return await first, second

    monkeypatch.setattr(page, "second_opinion", read)
    first, second = asyncio.run(asyncio.wait_for(two(), 60))
    assert PENDING.why in first[-1][1]
    assert NO_FACE.why in second[-1][1]


def test_without_mediapipes_model_the_report_says_so(
    studio: page.Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(landmarks, "_loading", cache(landmarks._loading.__wrapped__))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.task"))
    stage, report, notice = run(studio.generate(*forms(), visitor()))[-1]
    assert stage["phase"] == "done"
    assert VARIABLE in report
    assert "urlopen" not in report
    assert notice is None


def test_equal_input_gives_an_equal_picture(studio: page.Studio) -> None:
    first, second = (run(studio.generate(*forms(seed=4), visitor()))[-1][0] for _ in range(2))
    assert first["image"] == second["image"]
    assert first["serial"] != second["serial"], "a page notices only values that differ"


def test_wrong_input_is_answered_beside_its_field_and_starts_nothing(studio: page.Studio) -> None:
    panel, controls = forms()
    (update,) = run(studio.generate(panel, {**controls, "seed": "x"}, visitor()))
    assert update[0]["phase"] == "failed"
    assert update[2]["field"] == "seed"


def test_a_full_studio_says_busy(studio: page.Studio) -> None:
    async def three() -> list[list[page.Update]]:
        runs = (studio.generate(*forms(steps=30), visitor(name)) for name in ("a", "b", "c"))
        return await asyncio.gather(*(gather(updates) for updates in runs))

    ends = [updates[-1] for updates in asyncio.run(asyncio.wait_for(three(), 60))]
    assert sorted(end[0]["phase"] for end in ends) == ["done", "done", "failed"]
    refused = next(end for end in ends if end[0]["phase"] == "failed")
    assert "busy" in refused[2]["message"]


def test_cancel_stops_only_the_page_that_asked(studio: page.Studio) -> None:
    async def two() -> tuple[list[page.Update], list[page.Update]]:
        mine = asyncio.create_task(gather(studio.generate(*forms(steps=100), visitor("mine"))))
        other = asyncio.create_task(gather(studio.generate(*forms(), visitor("other"))))
        await asyncio.sleep(0.3)
        studio.cancel(visitor("mine"))
        return await mine, await other

    mine, other = asyncio.run(asyncio.wait_for(two(), 60))
    assert mine[-1][0]["phase"] == "cancelled"
    assert other[-1][0]["phase"] == "done"


def test_a_page_cannot_pass_for_a_client_of_the_api(studio: page.Studio) -> None:
    owner = "api 127.0.0.1"
    job = studio.queue.submit(lambda: studio.synthesizer.stream(Recipe(steps=5)), owner=owner)
    studio.cancel(visitor(owner))
    studio.leave(visitor(owner))
    assert studio.queue.get(job.id) is job
    assert not job.cancel_asked


def test_a_page_that_goes_away_stops_its_job(studio: page.Studio) -> None:
    async def leave() -> None:
        updates = studio.generate(*forms(steps=100), visitor())
        await anext(updates)
        await updates.aclose()  # type: ignore[attr-defined]

    asyncio.run(asyncio.wait_for(leave(), 60))
    assert run(studio.generate(*forms(steps=1), visitor("next")))[-1][0]["phase"] == "done"


def test_a_second_run_of_one_page_takes_the_place_of_the_first(studio: page.Studio) -> None:
    async def two() -> tuple[list[page.Update], list[page.Update]]:
        first = asyncio.create_task(gather(studio.generate(*forms(steps=100), visitor())))
        await asyncio.sleep(0.2)
        second = await gather(studio.generate(*forms(), visitor()))
        return await first, second

    first, second = asyncio.run(asyncio.wait_for(two(), 60))
    assert first[-1][0]["phase"] in ("waiting", "running"), "the first falls silent"
    assert second[-1][0]["phase"] == "done"


def test_guards_let_start_and_end_of_the_server_through(synthesizer: Synthesizer) -> None:
    """Without them nothing that waits in the page's queue is ever done."""

    async def started() -> list[object]:
        app = create_app(synthesizer, Settings())
        told = asyncio.Queue[Message]()

        async def receive() -> Message:
            return {"type": "lifespan.startup"} if told.empty() else {"type": "lifespan.shutdown"}

        await asyncio.wait_for(app({"type": "lifespan"}, receive, told.put), 10)
        return [(await told.get())["type"] for _ in range(2)]

    assert asyncio.run(started()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
