"""Shared fixtures: a whole model, tiny and untrained, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import processes
from tests.reference import tiny


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="loads of full size, and time limits of an idle machine"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--full"):  # an idle machine, then
        processes.HEALTH_SECONDS = processes.IDLE_HEALTH_SECONDS


@pytest.fixture(scope="session", autouse=True)
def _measured(record_testsuite_property: Callable[[str, object], None]) -> Iterator[None]:
    """Writes what tests have measured into the report, for `scripts/security-checks`."""
    yield
    for name, value in processes.MEASURED.items():
        record_testsuite_property(name, value)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether loads have the size that docs/security.md names, not the one of every day."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as `Synthesizer.load` takes it; 128 px, no readers."""
    folder = tmp_path_factory.mktemp("tiny-model")
    tiny.write(folder)
    return folder
