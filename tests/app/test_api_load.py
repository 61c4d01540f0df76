"""Many clients at once, and a server that is killed at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from app import jobs
from app.jobs import State
from app.settings import Settings
from synfer_core.client import Client, Face
from synfer_core.errors import BusyError, MissingError, UnreachableError
from synfer_core.faces.images import decode_image
from synfer_core.report import read_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.wire import Event
from tests.serving import Server, free_port, served

ROOT = Path(__file__).parents[2]
CLIENTS, JOBS = 8, 50
"""Of every day; with ``--full`` there are 16 clients with 200 jobs."""

LONG = Recipe.parse({"facs": "12D", "steps": 100})


def recipe_of(number: int) -> Recipe:
    return Recipe.parse({"text": f"face number {number}", "seed": number, "steps": 3})


@dataclass
class User:
    """One client: sends all its jobs at once, stops one at work, collects the others."""

    url: str
    numbers: range
    faces: dict[int, Face] = field(default_factory=dict)
    waits: list[int] = field(default_factory=list)
    steps_after_cancel: int = -1

    def __call__(self) -> None:
        with Client(self.url) as client:
            names = {self.send(client, recipe_of(number)): number for number in self.numbers}
            self.stop_one(client)
            for name, number in names.items():
                events = list(self.follow(client, name, number))
                assert {event.id for event in events} == {name}
                assert events[-1].state == "done", events[-1]
                self.faces[number] = client.result(name)

    def send(self, client: Client, recipe: Recipe) -> str:
        while True:
            try:
                return client.submit(recipe).id
            except BusyError as error:
                self.waits.append(error.retry_after)
                time.sleep(error.retry_after)

    def follow(self, client: Client, name: str, number: int) -> Iterator[Event]:
        """A job's events; one of three streams breaks off and is taken up again, one is slow."""
        known = 0
        if number % 3 == 1:
            with closing(self.stream(client, name, known)) as broken:
                first = next(broken)
            known = 0 if first.final else first.number
        for event in self.stream(client, name, known):
            time.sleep(0.02 if number % 3 == 2 else 0.0)
            yield event

    def stream(self, client: Client, name: str, after: int) -> Generator[Event]:
        yield from client.events(name, after)

    def stop_one(self, client: Client) -> None:
        name, stopped = self.send(client, LONG), None
        for event in client.events(name):
            if stopped is None and event.step >= 2:
                stopped = client.cancel(name).step
        assert event.state == "cancelled"
        assert stopped is not None
        self.steps_after_cancel = event.step - stopped


@pytest.fixture
def server(synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(jobs, "_FIRST_GUESS_SECONDS", 1.0)
    with served(synthesizer, Settings(waiting=12, per_client=1000, kept=1000)) as one:
        yield one


def test_many_jobs_from_many_clients_at_once(
    server: Server, synthesizer: Synthesizer, full: bool
) -> None:
    clients, jobs_in_all = (16, 200) if full else (CLIENTS, JOBS)
    finished = jobs_in_all - clients
    users = [User(server.url, range(k, finished, clients)) for k in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(user) for user in users]:
            done.result(timeout=900 if full else 240)

    states = Counter(job.state for job in server.queue.jobs())
    assert states == {State.DONE: finished, State.CANCELLED: clients}, "none is lost"
    waits = [seconds for user in users for seconds in user.waits]
    assert waits, "twelve may wait, so somebody was told to come back"
    assert all(1 <= seconds <= 60 for seconds in waits)
    assert all(0 <= user.steps_after_cancel <= 1 for user in users)

    pictures = set()
    for user in users:
        assert list(user.faces) == list(user.numbers)
        for number, face in user.faces.items():
            assert face.recipe == synthesizer.check(recipe_of(number)) == read_recipe(face.png)
            pictures.add(decode_image(face.png).tobytes())
        first = synthesizer.generate(recipe_of(user.numbers[0])).export().pixels
        assert np.array_equal(decode_image(user.faces[user.numbers[0]].png), first)
    assert len(pictures) == finished, "each got the face it asked for"


@pytest.fixture
def process(reading_folder: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``synfer serve`` as a process of its own; all it may write to lies under `tmp_path`."""
    port = free_port()
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    environment = {
        **os.environ,
        **places,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SYNFER_STUDIO_MODELS": str(reading_folder),
    }
    command = [sys.executable, "-m", "synfer_core.cli", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True) as one:
        yield one, f"http://127.0.0.1:{port}"
        one.kill()


def wait_until_up(client: Client) -> None:
    for _ in range(600):
        try:
            client.vocabulary()
        except UnreachableError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the server did not start within two minutes")


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_killed_server_leaves_no_file_and_says_what_was_lost(
    process: tuple[subprocess.Popen[str], str], synthesizer: Synthesizer, tmp_path: Path
) -> None:
    server, url = process
    names: list[str] = []

    def kill(event: Event) -> None:
        if event.step == 2:
            names.append(event.id)
            server.send_signal(signal.SIGKILL)

    with Client(url) as client, ThreadPoolExecutor(1) as pool:
        wait_until_up(client)
        before = files(tmp_path)
        waiting = pool.submit(client.generate, LONG, kill, patience=120)
        assert server.wait(120) == -signal.SIGKILL
        assert files(tmp_path) == before
        with served(synthesizer, Settings(), int(url.rsplit(":", 1)[1])):
            with pytest.raises(MissingError, match=r"started again.*lost"):
                waiting.result(timeout=120)
            with pytest.raises(MissingError, match=r"started again.*lost"):
                client.result(names[0])
            assert client.generate(recipe_of(1)).recipe.seed == 1
