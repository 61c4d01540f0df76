"""A server with users, as its programs and pages see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client as GradioClient
from gradio_client.exceptions import AuthenticationError

from app.pages import client_of_page, page_of
from app.settings import Settings
from synfer_core.accounts import Stored, put_user
from synfer_core.client import TOKEN_VARIABLE, Client
from synfer_core.errors import AccessError, MissingError, QuotaError
from synfer_core.synthesizer import Synthesizer
from tests.app.test_jobs import Steps, wait_for
from tests.serving import Server, served
from tests.test_accounts import QUICK

ADA, BOB = "ada:ada's password", "bob:bob's password"
SMILE = {"facs": "12D", "steps": 2}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("users") / "users.txt"
    for one in (ADA, BOB):
        name, _, password = one.partition(":")
        put_user(file, name, Stored.of(password, QUICK))
    settings = Settings(auth=f"users:{file}", per_client=2, live=False, first_face=False)
    with served(synthesizer, settings) as one_server:
        yield one_server


@pytest.fixture
def ada(server: Server) -> Iterator[Client]:
    with Client(server.url, token=ADA) as client:
        yield client


@pytest.fixture
def bob(server: Server) -> Iterator[Client]:
    with Client(server.url, token=BOB) as client:
        yield client


def test_the_client_brings_its_token(server: Server, ada: Client) -> None:
    assert ada.generate(SMILE).report["label"]
    for wrong in (None, "a-token-of-nobody", "ada:no"):
        with Client(server.url, token=wrong) as client, pytest.raises(AccessError):
            client.submit(SMILE)


def test_the_token_may_stand_in_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, BOB)
    with Client(server.url) as client:
        assert client.vocabulary().expressions


def test_a_job_is_its_user_s_alone(ada: Client, bob: Client) -> None:
    job = ada.generate(SMILE).job
    for look in (bob.job, bob.result, bob.attention, bob.cancel, bob.discard):
        with pytest.raises(MissingError, match="there is no such job"):
            look(job)
    with pytest.raises(MissingError):
        next(bob.events(job))
    assert ada.result(job).png


def test_pages_and_programs_of_a_user_share_a_quota(
    server: Server, ada: Client, bob: Client
) -> None:
    steps = Steps(3)
    page = page_of("ada", "hash")
    server.queue.submit(steps, owner=page, client=client_of_page(page))
    waits = ada.submit(SMILE)
    with pytest.raises(QuotaError, match="so many jobs of yours are unfinished"):
        ada.submit(SMILE)
    theirs = bob.submit(SMILE)
    for client, job in ((ada, waits), (bob, theirs)):
        client.discard(job.id)
    steps.let(3)
    wait_for(lambda: all(job.state.final for job in server.queue.jobs()))


def test_gradios_own_client_signs_in(server: Server, tmp_path: Path) -> None:
    quiet = {"verbose": False, "analytics_enabled": False, "download_files": False}
    name, _, password = ADA.partition(":")
    client = GradioClient(server.url, auth=(name, password), **quiet)
    assert client.config["title"] == "SynFER Studio"
    client.close()
    basic = httpx.BasicAuth(name, password)._auth_header
    client = GradioClient(server.url, headers={"Authorization": basic}, **quiet)
    assert client.config["title"] == "SynFER Studio"
    client.close()
    with pytest.raises(AuthenticationError):
        GradioClient(server.url, auth=(name, "no"), **quiet)


def test_the_description_names_what_is_asked_for(server: Server) -> None:
    with httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False) as http:
        assert http.get("/health").json()["status"] == "ok"
        assert http.get("/openapi.json").status_code == 401
        signed = {"auth": httpx.BasicAuth(*ADA.split(":", 1))}
        paths = http.get("/openapi.json", **signed).json()["paths"]
        assert "401" in paths["/jobs"]["post"]["responses"]
        assert "401" not in paths["/health"]["get"]["responses"]


def test_who_has_a_page_open_is_part_of_its_name() -> None:
    assert client_of_page(page_of("ada", "hash of bob")) == "ada"
    assert client_of_page("api ada") is None
    assert page_of("ada", "x") != page_of("bob", "x")
