"""One server process for all attacks that do not need options of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import Running, running


@pytest.fixture(scope="package")
def attacked(reading_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that runs while these tests do; it must end in time after all of them."""
    with running(reading_folder, tmp_path_factory.mktemp("gradio")) as server:
        yield server


@pytest.fixture(scope="module")
def client(attacked: Running) -> Iterator[httpx.Client]:
    with attacked.client() as one:
        yield one
