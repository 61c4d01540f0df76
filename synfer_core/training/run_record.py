"""What a training run was: ``run.json`` in its folder, and the refusal to go on as another one."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

import synfer_core
from synfer_core.errors import DataError, RequestError
from synfer_core.files import write_whole
from synfer_core.models.checkpoints import file_sha256
from synfer_core.stimuli.spec import Part

FILE = "run.json"
_PACKAGES = ("synfer-studio", "torch", "diffusers", "transformers", "accelerate", "peft")


class Source(Part):
    """The checkout that trained.

    Attributes:
        revision: Its commit.
        dirty: Whether its `synfer_core` has changes that are in no commit.
    """

    revision: str
    dirty: bool


class Stretch(Part):
    """From a start of the command to its end.

    Attributes:
        command: As it was typed.
        source: The checkout; None where the program was installed from a package.
        versions: Of Python and of libraries; those that are not installed are left out.
        devices: Of each process.
        minutes, steps: The budget.
        started: When, in UTC.
        ended: When; None where it was broken off.
    """

    command: tuple[str, ...]
    source: Source | None
    versions: Mapping[str, str]
    devices: tuple[str, ...]
    minutes: float
    steps: int | None
    started: str
    ended: str | None = None


class Data(Part):
    """What was trained on.

    Attributes:
        folder: Where it lay.
        files: How many files.
        sha256: Hash over their names and contents.
    """

    folder: str
    files: int
    sha256: str


class Record(Part):
    """A run.

    Attributes:
        stage: What was trained.
        config: Settings that decide what is learned, and the number of processes, by option.
        data: What was trained on.
        weights: SHA-256 of the Stable Diffusion model and of what was put into it, by part.
        stretches: The first start and each time that it went on.
    """

    version: Literal[1] = 1
    stage: str
    config: Mapping[str, Any]
    data: Data
    weights: Mapping[str, str] = {}
    stretches: tuple[Stretch, ...] = ()

    def check_goes_on(self, other: Record) -> None:
        """Refuse to go on with a run as another one.

        Raises:
            RequestError: Stage, a setting, the weights or the data are not those of `other`.
        """
        _same("stage", self.stage, other.stage)
        for name in sorted({*self.config, *other.config}):
            _same(f"--{name.replace('_', '-')}", self.config.get(name), other.config.get(name))
        for part in sorted({*self.weights, *other.weights}):
            ours, theirs = self.weights.get(part), other.weights.get(part)
            _same("--backbone", f"{part} {ours}", f"{part} {theirs}")
        _same("--data", self.data.sha256, other.data.sha256)

    def ended(self) -> Record:
        """The same with the time at which its last stretch ended."""
        *before, last = self.stretches
        return self.with_stretches(*before, last.model_copy(update={"ended": now()}))

    def with_stretches(self, *stretches: Stretch) -> Record:
        """The same with other stretches."""
        return self.model_copy(update={"stretches": stretches})

    def write(self, folder: Path) -> None:
        """Write ``run.json``.

        Raises:
            RequestError: It cannot be written.
        """
        write_whole(folder / FILE, f"{self.model_dump_json(indent=2)}\n".encode())


def begin(folder: Path, record: Record, *, resume: bool) -> Record:
    """Write down that a run starts, or goes on where `folder` has its record.

    Args:
        folder: Of the run; it is made.
        record: The run as it is asked for now, with one stretch.
        resume: Whether it is to go on.

    Raises:
        RequestError: It is to go on and is another run (see `Record.check_goes_on`).
        DataError: The record that is there cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if resume and (folder / FILE).exists():
        before = read(folder)
        record.check_goes_on(before)
        record = record.with_stretches(*before.stretches, *record.stretches)
    record.write(folder)
    return record


def read(folder: Path) -> Record:
    """The record of a run.

    Raises:
        DataError: It is missing or damaged.
    """
    path = folder / FILE
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path)) from error
    except ValidationError as error:
        raise DataError(f"is damaged: {str(error).splitlines()[0]}", field=str(path)) from error


def _same(field: str, ours: Any, theirs: Any) -> None:
    if ours != theirs:
        raise RequestError(
            f"is {ours} now and was {theirs} when this run began; train into another folder",
            field=field,
            allowed=str(theirs),
        )


def data_of(folder: Path) -> Data:
    """The shards of a data set, else all files of a folder of pictures, and a hash over them."""
    shards = sorted(folder.glob("shard-*.parquet"))
    files = shards or sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise DataError("has no data", field="--data", allowed="shards, or pictures")
    size = sum(file.stat().st_size for file in files) / 1e9
    print(f"hashing {len(files)} files, {size:.1f} GB", file=sys.stderr, flush=True)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder)}:{file_sha256(file)}\n".encode())
    return Data(folder=str(folder), files=len(files), sha256=digest.hexdigest())


def source() -> Source | None:
    """The checkout that this program runs from, where it does and git is there to ask."""
    root = Path(synfer_core.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    revision = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", "synfer_core")
    if revision is None or changes is None:
        return None
    return Source(revision=revision, dirty=bool(changes))


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of what decides what is learned."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
