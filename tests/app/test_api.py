"""The HTTP API as a client sees it, on a real server with a tiny model."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image

from app import api
from app.jobs import Job, State
from app.settings import Settings
from app.ui.pictures import png
from synfer_core.editing import reference_of
from synfer_core.facs import EXPRESSIONS
from synfer_core.report import read_recipe
from synfer_core.request import Recipe, SceneOptions
from synfer_core.synthesizer import Synthesizer
from tests.app.test_jobs import Steps, fails, wait_for
from tests.serving import Server, served

SMILE = {"aus": {"AU12": 4.0}, "text": "a smile", "expression": "happiness", "steps": 3}
SETTINGS = Settings(waiting=4, per_client=3, followers=2, upload_mb=2)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[Server]:
    with served(synthesizer, SETTINGS) as one:
        yield one


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as one:
        yield one
    wait_for(lambda: all(job.state.final for job in server.queue.jobs()))


@pytest.fixture
def blocker(server: Server, client: httpx.Client) -> Iterator[Steps]:
    """Work of somebody else that holds the device until the test lets it go."""
    steps = Steps(1)
    server.queue.submit(steps, owner="blocker")
    assert steps.started.wait(10)
    yield steps
    steps.let(1)


def create(client: httpx.Client, **fields: Any) -> str:
    answer = client.post("/jobs", json={**SMILE, **fields})
    assert answer.status_code == 202, answer.text
    name: str = answer.json()["id"]
    return name


def follow(client: httpx.Client, job: str, after: int | None = None) -> list[dict[str, Any]]:
    """A job's events as a browser's EventSource reads them."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    found = []
    with client.stream("GET", f"/jobs/{job}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        answer.read()
    for block in filter(None, answer.text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        event = json.loads(fields["data"])
        assert fields["id"] == str(event["number"])
        assert fields["event"] == event["state"]
        found.append(event)
    return found


def made(client: httpx.Client, **fields: Any) -> str:
    job = create(client, **fields)
    assert follow(client, job)[-1]["state"] == "done"
    return job


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"type", "field", "message", "allowed", "retry_after"}
    return error


def photo(value: int = 90) -> bytes:
    return png(np.full((128, 128, 3), value, np.uint8))


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def test_what_a_check_passes_a_job_makes(client: httpx.Client) -> None:
    """Each of these was passed, and failed as a job."""
    refused: list[tuple[dict[str, Any], str]] = [
        ({"text": "face " * 100}, "text"),
        ({"enriched_text": "face " * 100}, "enriched_text"),
        ({"negative_text": "face " * 100}, "negative_text"),
        ({"identity_code": [0.5]}, "identity_code"),
        ({"reference": "sample:ada", "identity_code": [0.5], "text": "face " * 100}, "text"),
    ]
    for fields, named in refused:
        for path in ("/recipes/check", "/jobs"):
            answer = client.post(path, json={**SMILE, **fields})
            assert answer.status_code == 422, (path, fields)
            assert problem(answer)["field"] == named


def test_the_description_names_every_route_and_resolves(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/health", "/version", "/limits", "/vocabulary", "/recipes/check", "/jobs",
        "/jobs/{job_id}", "/jobs/{job_id}/cancel", "/jobs/{job_id}/events",
        "/jobs/{job_id}/image", "/jobs/{job_id}/report", "/jobs/{job_id}/attention",
        "/jobs/{job_id}/attention/{name}", "/annotate", "/references",
    }  # fmt: skip
    assert document["servers"] == [{"url": "/api/v1"}]
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas)
    assert set(schemas["Recipe"]["properties"]) == set(Recipe.model_fields)
    create = document["paths"]["/jobs"]["post"]
    assert {"202", "400", "413", "422", "429", "503"} == set(create["responses"])
    example = create["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/recipes/check", json=example).status_code == 200


def test_the_description_is_a_page_too(client: httpx.Client) -> None:
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "GET /api/v1/jobs/{job_id}/events" in answer.text
    assert "identity_seed" in answer.text
    assert not re.search(r"(?:src|href)=\"(?!/)", answer.text), "it needs no other host"


def test_health_version_and_limits(client: httpx.Client, blocker: Steps) -> None:
    create(client)
    assert client.get("/health").json() == {
        "status": "ok",
        "backbones": ["builtin", "facekit"],
        "waiting": 1,
    }
    assert client.get("/version").json()["api"] == 1
    limits = client.get("/limits").json()
    assert (limits["waiting"], limits["per_client"], limits["image_bytes"]) == (4, 3, 2_000_000)


def test_the_vocabulary_says_all_that_a_recipe_may(
    client: httpx.Client, synthesizer: Synthesizer
) -> None:
    words = client.get("/vocabulary").json()
    assert tuple(words["expressions"]) == EXPRESSIONS
    units = {unit["key"]: unit for unit in words["action_units"]}
    assert units["AU12"]["keys"] == ["AU12", "AUL12", "AUR12"]
    assert units["AU25"]["keys"] == ["AU25"]
    assert (units["AU12"]["least"], units["AU12"]["most"]) == (0.0, 5.0)
    for unit in units.values():
        for key in unit["keys"]:
            Recipe.parse({"aus": {key: unit["most"]}})
    assert words["aliases"]["45"] == 43
    assert [step["letter"] for step in words["intensities"]] == list("ABCDE")
    assert [backbone["name"] for backbone in words["backbones"]] == ["builtin", "facekit"]
    for backbone in words["backbones"]:
        known = synthesizer.capabilities[backbone["name"]]
        assert tuple(backbone["aus"]) == known.aus
        assert set(backbone) == set(vars(known))


def test_a_recipe_is_completed_without_making_anything(
    client: httpx.Client, server: Server, synthesizer: Synthesizer
) -> None:
    before = server.queue.jobs()
    answer = client.post("/recipes/check", json=SMILE)
    assert Recipe.parse(answer.json()) == synthesizer.check(Recipe.parse(SMILE))
    assert answer.json()["weights_sha256"]
    assert server.queue.jobs() == before


@pytest.mark.parametrize(
    ("body", "status", "kind", "field"),
    [
        (b"{", 400, "FormatError", "recipe"),
        (b'{"text": "\xff"}', 400, "FormatError", "recipe"),
        (b"[" * 100_000, 400, "FormatError", "recipe"),
        (b"[]", 422, "RequestError", "recipe"),
        (b'{"steps": 1, "steps": 2}', 422, "RequestError", "recipe"),
        (b'{"smile": 1}', 422, "RequestError", "smile"),
        (b'{"aus": {"AU12": 7}}', 422, "RequestError", "aus.AU12"),
        (b'{"facs": "99C"}', 422, "RequestError", "aus.AU99"),
        (b'{"steps": 0}', 422, "RequestError", "steps"),
        (b'{"backbone": "other"}', 422, "UnsupportedError", "backbone"),
        (b'{"text": "%s"}' % (b"a" * 2_950_000), 413, "TooLargeError", "recipe"),
    ],
)
def test_a_wrong_recipe_is_refused_by_field(
    client: httpx.Client, body: bytes, status: int, kind: str, field: str
) -> None:
    for path in ("/recipes/check", "/jobs"):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        error = problem(answer)
        assert (answer.status_code, error["type"], error["field"]) == (status, kind, field)


def test_a_reference_of_512_pixels_is_not_too_large(client: httpx.Client) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    recipe = {"reference": reference_of(noise), "aus": {"AU12": 4.0}}
    for path in ("/recipes/check", "/jobs"):
        assert client.post(path, json=recipe).status_code != 413


def test_a_scene_reaches_the_picture_and_a_wrong_one_is_told_by_field(client: httpx.Client) -> None:
    exact = {"backbone": "facekit", "size": 64, "aus": {"AU12": 4.0}, "identity_seed": 3}
    scene = {"yaw": 0, "gaze_yaw": 0, "background": "#3c91e6"}
    job = made(client, **exact, scene=scene)
    image = client.get(f"/jobs/{job}/image", params={"watermark": False}).content
    assert pixels(image)[0, 0].tolist() == [0x3C, 0x91, 0xE6]
    carried = read_recipe(image).scene
    assert carried == SceneOptions(**scene)
    for wrong, field, allowed in (
        ({"yaw": 90}, "scene.yaw", "40"),
        ({"light": "moon"}, "scene.light", "studio"),
        ({"background": "blue"}, "scene.background", "#rrggbb"),
    ):
        answer = client.post("/jobs", json={**exact, "scene": wrong})
        error = problem(answer)
        assert (answer.status_code, error["field"]) == (422, field)
        assert allowed in error["allowed"]


def test_errors_say_what_is_allowed_and_stay_short(client: httpx.Client) -> None:
    assert "0 to 5" in problem(client.post("/jobs", json={"aus": {"AU12": 7}}))["allowed"]
    assert "identity_seed" in problem(client.post("/jobs", json={"smile": 1}))["allowed"]
    long = problem(client.post("/jobs", json={"s" * 5000: 1}))
    assert len(long["field"]) < 1000


def test_a_recipe_says_that_it_is_json(client: httpx.Client) -> None:
    answer = client.post("/jobs", content=json.dumps(SMILE), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert problem(answer)["allowed"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/nothing", 404, "path"),
        ("GET", "/jobs/abc", 404, "job_id"),
        ("GET", "/jobs/abc/events", 404, "job_id"),
        ("POST", "/jobs/abc/cancel", 404, "job_id"),
        ("DELETE", "/jobs/abc", 404, "job_id"),
        ("GET", "/jobs", 405, "method"),
    ],
)
def test_what_is_not_there_is_said_in_the_same_form(
    client: httpx.Client, method: str, path: str, status: int, field: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, problem(answer)["field"]) == (status, field)
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


def test_a_job_from_making_to_collecting(client: httpx.Client, synthesizer: Synthesizer) -> None:
    recipe = {**SMILE, "seed": next(_numbers)}
    answer = client.post("/jobs", json=recipe)
    job = answer.json()["id"]
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/jobs/{job}")

    events = follow(client, job)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert [event["state"] for event in (events[0], events[-1])] == ["queued", "done"]
    steps = [event["step"] for event in events if event["state"] == "running"]
    assert steps == sorted(steps)
    assert max(steps) == 3
    state = client.get(f"/jobs/{job}").json()
    assert (state["state"], state["step"], state["error"]) == ("done", 3, None)
    assert 800 < state["seconds_left"] <= 900

    image = client.get(f"/jobs/{job}/image")
    assert image.headers["content-type"] == "image/png"
    expected = synthesizer.generate(Recipe.parse(recipe))
    assert read_recipe(image.content) == expected.recipe
    assert np.array_equal(pixels(image.content), expected.export().pixels)
    plain = client.get(f"/jobs/{job}/image", params={"watermark": False})
    assert np.array_equal(pixels(plain.content), expected.image)
    report = client.get(f"/jobs/{job}/report").json()
    assert {**report, "seconds": 0} == {**json.loads(json.dumps(expected.to_dict())), "seconds": 0}


def test_previews_come_while_it_runs(client: httpx.Client) -> None:
    previews = [event["preview"] for event in follow(client, create(client, steps=40))]
    head, data = next(filter(None, previews)).split(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (128, 128)


def test_events_are_taken_up_after_the_last_known(client: httpx.Client) -> None:
    job = made(client, steps=5)
    whole = follow(client, job)
    assert follow(client, job, after=2) == whole[2:]
    # Who knows all events already, or more than there are, learns that this is the end.
    assert follow(client, job, after=len(whole)) == whole[-1:]
    assert follow(client, job, after=999) == whole[-1:]
    answer = client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": "two"})
    assert (answer.status_code, problem(answer)["field"]) == (422, "Last-Event-ID")


def test_a_silent_stream_shows_that_it_is_alive(
    client: httpx.Client, blocker: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PULSE", 0.05)
    job = create(client)
    with client.stream("GET", f"/jobs/{job}/events") as answer:
        assert any(line.startswith(":") for line in answer.iter_lines())


def test_event_streams_are_counted(client: httpx.Client, blocker: Steps) -> None:
    job = create(client)
    path = f"/jobs/{job}/events"
    with client.stream("GET", path) as one, client.stream("GET", path) as two:
        open_streams = [one.iter_lines(), two.iter_lines()]
        assert [next(lines) for lines in open_streams] == ["event: queued"] * 2
        answer = client.get(path)
        assert (answer.status_code, problem(answer)["type"]) == (503, "BusyError")
        assert answer.headers["Retry-After"] == "5"
    blocker.let(1)
    wait_for(lambda: client.get(path).status_code == 200)


def test_a_waiting_job_knows_its_place_and_has_no_result_yet(
    client: httpx.Client, blocker: Steps
) -> None:
    first, second = create(client), create(client)
    assert [client.get(f"/jobs/{job}").json()["ahead"] for job in (first, second)] == [1, 2]
    for part in ("image", "report", "attention", "attention/AU12"):
        answer = client.get(f"/jobs/{first}/{part}")
        assert (answer.status_code, problem(answer)["type"]) == (409, "StateError")
        assert "queued" in problem(answer)["message"]
    assert client.post(f"/jobs/{first}/cancel").json()["state"] == "cancelled"
    assert client.get(f"/jobs/{second}").json()["ahead"] == 1
    assert [event["ahead"] for event in follow(client, first)] == [1, 0]
    blocker.let(1)
    places = [event["ahead"] for event in follow(client, second)]
    assert places[:3] == [2, 1, 0]


def test_cancel_stops_within_one_denoising_step(client: httpx.Client) -> None:
    job = create(client, steps=100)
    wait_for(lambda: client.get(f"/jobs/{job}").json()["step"] >= 2)
    asked_at = client.post(f"/jobs/{job}/cancel").json()["step"]
    last = follow(client, job)[-1]
    assert last["state"] == "cancelled"
    assert last["step"] - asked_at <= 1
    assert client.get(f"/jobs/{job}/image").status_code == 409


def test_a_finished_job_stays_finished(client: httpx.Client) -> None:
    job = made(client)
    assert client.post(f"/jobs/{job}/cancel").json()["state"] == "done"
    assert client.get(f"/jobs/{job}/image").status_code == 200


def test_a_deleted_job_is_gone(client: httpx.Client, server: Server) -> None:
    for job in (made(client), create(client, steps=100)):
        behind = server.queue.get(job)
        assert client.delete(f"/jobs/{job}").status_code == 204
        assert client.get(f"/jobs/{job}").status_code == 404
        assert client.get(f"/jobs/{job}/image").status_code == 404
        assert behind is not None
        wait_for(lambda behind=behind: behind.state.final)  # type: ignore[misc]


def test_attention_maps_lie_over_the_face(client: httpx.Client) -> None:
    job = made(client, text="a smile and/or ü")
    names = client.get(f"/jobs/{job}/attention").json()
    assert "AU12" in names
    assert any(name.startswith("word:") for name in names)
    for name in names:
        answer = client.get(f"/jobs/{job}/attention/{quote(name, safe='')}")
        picture = Image.open(io.BytesIO(answer.content))
        assert (picture.format, picture.mode) == ("PNG", "RGBA")
    answer = client.get(f"/jobs/{job}/attention/AU99")
    assert answer.status_code == 404
    assert "AU12" in problem(answer)["allowed"]


def test_a_full_queue_says_busy_and_when_to_come_back(
    client: httpx.Client, server: Server, blocker: Steps
) -> None:
    others = [Steps(1) for _ in range(4)]
    for number, steps in enumerate(others):
        server.queue.submit(steps, owner=f"page {number}")
        steps.let(1)
    answers = [
        client.post("/jobs", json=SMILE),
        client.post("/annotate", files={"image": photo()}),
        client.post("/references", files={"image": photo()}),
    ]
    for answer in answers:
        error = problem(answer)
        assert (answer.status_code, error["type"]) == (503, "BusyError")
        assert int(answer.headers["Retry-After"]) == error["retry_after"] >= 1


def test_one_address_does_not_get_the_whole_queue(
    client: httpx.Client, server: Server, blocker: Steps
) -> None:
    jobs = [create(client) for _ in range(3)]
    answer = client.post("/jobs", json=SMILE)
    error = problem(answer)
    assert (answer.status_code, error["type"]) == (429, "QuotaError")
    assert int(answer.headers["Retry-After"]) == error["retry_after"] >= 1
    assert error["allowed"] == "at most 3"
    server.queue.cancel(server.queue.submit(Steps(1), owner="page"))  # others still get in
    client.delete(f"/jobs/{jobs[0]}")
    create(client)


def test_jobs_of_pages_are_not_there_for_clients(client: httpx.Client, server: Server) -> None:
    steps = Steps(2)
    job: Job = server.queue.submit(steps, owner="page abc")
    for method, path in [
        ("GET", ""), ("GET", "/events"), ("GET", "/image"), ("GET", "/report"),
        ("GET", "/attention"), ("POST", "/cancel"), ("DELETE", ""),
    ]:  # fmt: skip
        assert client.request(method, f"/jobs/{job.id}{path}").status_code == 404
    assert not job.cancel_asked
    steps.let(2)
    wait_for(lambda: job.state is State.DONE)
    assert server.queue.get(job.id) is job


def test_a_job_of_an_earlier_start_is_called_lost(client: httpx.Client) -> None:
    answer = client.get("/jobs/0123abcd.what-was-once-a-job")
    assert answer.status_code == 404
    assert "started again" in problem(answer)["message"]
    assert "started again" not in problem(client.get("/jobs/what-never-was"))["message"]


def test_a_fault_is_told_without_its_details(
    client: httpx.Client, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    job = server.queue.submit(fails(ZeroDivisionError("secret detail")), owner="api somebody")
    wait_for(lambda: job.state.final)
    (last,) = [event for event in follow(client, job.id) if event["state"] == "failed"]
    assert last["error"]["type"] == "FaultError"
    assert "secret" not in json.dumps(last)
    assert "secret detail" in caplog.text


def test_an_image_is_read(client: httpx.Client, synthesizer: Synthesizer) -> None:
    face = synthesizer.generate(Recipe.parse(SMILE))
    answer = client.post(
        "/annotate", files={"image": ("a.png", face.to_png())}, data={"label": "sadness"}
    )
    read = answer.json()
    expected = synthesizer.annotate(pixels(face.to_png()), "sadness")
    facts = {name: read[name] for name in expected.to_dict()}
    assert facts == json.loads(json.dumps(expected.to_dict()))
    assert read["attention"] == list(expected.attention.maps)
    picture = Image.open(io.BytesIO(client.get(f"/jobs/{read['job']}/image").content))
    assert np.array_equal(np.asarray(picture), pixels(face.to_png()))
    assert client.get(f"/jobs/{read['job']}/report").json() == facts
    overlay = client.get(f"/jobs/{read['job']}/attention/{read['attention'][0]}")
    assert overlay.headers["content-type"] == "image/png"


def form(*parts: bytes) -> dict[str, Any]:
    """A multipart body written by hand."""
    body = b"".join(b"--X\r\n" + part + b"\r\n" for part in parts) + b"--X--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=X"}}


@pytest.mark.parametrize(
    ("sent", "status", "kind", "field"),
    [
        ({"files": {"image": b"no image"}}, 422, "ImageError", "image"),
        ({"files": {"image": b""}}, 422, "ImageError", "image"),
        ({"files": {"picture": photo()}}, 422, "RequestError", "picture"),
        ({"files": {"image": photo()}, "data": {"label": "joy"}}, 422, "RequestError", "label"),
        ({"files": {"image": bytes(2_000_001)}}, 413, "TooLargeError", "image"),
        ({"files": {"image": bytes(3_100_000)}}, 413, "TooLargeError", "body"),
        ({"files": [("image", photo()), ("image", photo())]}, 400, "FormatError", "body"),
        (form(b'Content-Disposition: form-data; name="image"\r\n\r\nwords'), 422,
         "RequestError", "image"),
        (form(b"no headers"), 400, "FormatError", "body"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400,
         "FormatError", "body"),
        ({"json": {"image": "x"}}, 400, "FormatError", "Content-Type"),
    ],
)  # fmt: skip
def test_a_wrong_upload_is_refused_and_leaves_nothing(
    client: httpx.Client,
    server: Server,
    sent: dict[str, Any],
    status: int,
    kind: str,
    field: str,
) -> None:
    before = server.queue.jobs()
    for path in ("/annotate", "/references"):
        answer = client.post(path, **sent)
        error = problem(answer)
        assert (answer.status_code, error["type"], error["field"]) == (status, kind, field)
    assert server.queue.jobs() == before


def test_an_upload_stays_in_memory(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def onto_the_disk(*_: object) -> None:
        raise AssertionError("an upload went to a file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", onto_the_disk)
    content = png(np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8))
    assert len(content) > 1 << 20, "smaller ones stay in memory in any case"
    answer = client.post("/annotate", files={"image": content})
    assert answer.status_code in (200, 422), "MediaPipe, where it is there, sees no face in it"


def test_a_face_is_made_ready_to_be_edited(
    client: httpx.Client, server: Server, synthesizer: Synthesizer
) -> None:
    face = synthesizer.generate(Recipe.parse(SMILE))
    before = server.queue.jobs()
    made_ready = client.post("/references", files={"image": face.to_png()}).json()
    assert made_ready["aus"] == {"AU12": 4.0}
    assert made_ready["reference"].startswith("data:image/png;base64,")
    assert server.queue.jobs() == before, "the answer is all there is"
    fields = {"reference": made_ready["reference"], "aus": {"AU4": 3.0}, "text": ""}
    report = client.get(f"/jobs/{made(client, **fields)}/report").json()
    assert report["reconstruction_psnr"] is not None


def test_errors_have_one_form_wherever_they_are_met(client: httpx.Client, server: Server) -> None:
    asked = [
        ("GET", "/api/v1"), ("GET", "/api/v1/"), ("POST", "/api/v1/jobs/a%0A/cancel"),
        ("GET", "/api/v2/health"), ("GET", "/nothing"),
        ("DELETE", "/"), ("POST", "/config"), ("PUT", "/api/v1/health"), ("PUT", "/api/v1/jobs/x"),
    ]  # fmt: skip
    for method, path in asked:
        answer = httpx.request(method, server.url + path)
        assert answer.status_code in (404, 405), (method, path)
        assert problem(answer)["message"]
    assert client.put("/jobs/x").headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("number", [-1, 99_999, True, "0", 2**70])
def test_numbers_that_the_page_has_not_are_refused(server: Server, number: object) -> None:
    """Gradio answers 500 to each."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("run/predict", {"data": [], "fn_index": number}),
        ("queue/join", {"data": [], "fn_index": number, "session_hash": "x"}),
        ("component_server", {"component_id": number, "fn_name": "x", "data": [],
                              "session_hash": "x"}),
    ]  # fmt: skip
    for path, body in asked:
        answer = httpx.post(f"{server.url}/gradio_api/{path}", json=body)
        assert answer.status_code == 422, (path, answer.text)
        assert problem(answer)["field"] in ("fn_index", "component_id")
