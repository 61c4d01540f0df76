"""A tiny model that can also read and be guided: readers and a guide with random weights."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright import sync_api

from app.jobs import JobQueue
from app.settings import Settings
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.guides import IMAGE_FILE
from synfer_core.reference.denoiser import ReferenceDenoiser
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import CHROMIUM, WIDE, Visit, write_figures
from tests.serving import Server, served
from tests.test_calibration import write_feranno


def write_readers(folder: Path) -> None:
    """FERAnno, AU reader and guiding classifier for the model in a folder."""
    write_feranno(folder)
    torch.manual_seed(1)
    small = ClassifierConfig("cnn", 32, widths=(8, 8, 8, 8), expressions=False)
    classifier.save(Classifier(small), folder / "au-reader.safetensors", "au-reader")
    guide = ClassifierConfig("cnn", 32, widths=(8, 8), depths=(1, 1), aus=False)
    classifier.save(Classifier(guide), folder / IMAGE_FILE, "classifier")


@pytest.fixture(scope="session")
def reading_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder with readers added."""
    folder = tmp_path_factory.mktemp("reading-model")
    shutil.copytree(tiny_model_folder, folder, dirs_exist_ok=True)
    write_readers(folder)
    return folder


@pytest.fixture(scope="session")
def synthesizer(reading_folder: Path) -> Synthesizer:
    """A whole synthesizer, 128 px, untrained."""
    return Synthesizer.load(reading_folder)


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    measured = write_figures(tmp_path_factory.mktemp("measured"), synthesizer)
    with served(synthesizer, Settings(upload_mb=2, models=measured, live=False)) as one:
        yield one


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--headless=new"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark"])
def visit(request: pytest.FixtureRequest, browser: sync_api.Browser, url: str) -> Iterator[Visit]:
    one = Visit(browser, url, WIDE, request.param)
    one.wait("done")
    one.first_face = time.monotonic() - one.opened
    yield one
    one.close()
    assert one.troubles == []


@pytest.fixture
def light(browser: sync_api.Browser, url: str) -> Iterator[Visit]:
    one = Visit(browser, url, WIDE, "light")
    one.wait("done")
    yield one
    one.close()
    assert one.troubles == []


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes a tenth of a second, so that a run outlasts the hand that stops it."""
    forward = ReferenceDenoiser.forward

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.1)
        return forward(*args, **kwargs)

    monkeypatch.setattr(ReferenceDenoiser, "forward", slowly)


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    """A queue with two places to wait."""
    one = JobQueue(waiting=2)
    yield one
    one.close()
