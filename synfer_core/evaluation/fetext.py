"""A trial of FEText: bad images among good ones, a run killed at half, and what it costs.

Renders are saved as JPEGs at mixed sizes, with broken, blank, faceless and multi-face files among
them. Every bad one has to be listed with the right reason and every good one to come out; a second
run is killed (SIGKILL) at half, taken up again, and compared with the first byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from synfer_core.errors import DataError
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import EXPRESSIONS
from synfer_core.fetext import build as building
from synfer_core.fetext.config import Config, Options
from synfer_core.fetext.gate import Gate
from synfer_core.fetext.records import Tools
from synfer_core.fetext.sources import FOLDER, Source
from synfer_core.files import write_whole
from synfer_core.report import Pixels
from synfer_core.synthesizer import DEFAULT_FOLDER

SIZES = (96, 128, 160, 224, 320, 480)
"""Pixels on a side that the renders are saved at, in turn."""

BAD = ("unreadable", "blank", "no_face", "several_faces")
"""What is wrong with the bad files, in turn, as FEText has to say it."""

RENDER_SIZE = 192
WHOLE = "whole"
"""Folder of the data set that was built in one go."""
_QUALITIES = (75, 85, 95)
_COLUMNS, _THUMB = 6, 128

Run = Callable[[Path, Path], None]
"""Builds a source into a folder."""


@dataclass(frozen=True)
class Face:
    """A picture of a face with its label."""

    expression: str
    image: Pixels


@dataclass(frozen=True)
class Plan:
    """What to try.

    Attributes:
        images: Files in all.
        bad: Bad ones among them.
        per_shard: Images to a shard.
    """

    images: int = 300
    bad: int = 15
    per_shard: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.bad * 2 <= self.images:
            raise DataError("are too many", field="bad", allowed="1 to half of the images")

    @property
    def bad_places(self) -> frozenset[int]:
        """Which files are bad: evenly among the others."""
        return frozenset(int((i + 0.5) * self.images / self.bad) for i in range(self.bad))


def renders(count: int, tell: Callable[[int, int], None]) -> Iterator[Face]:
    """FaceKit renders that carry an expression, each of another person; `tell` hears of each.

    Raises:
        PackError: There is no data pack.
    """
    from synfer_core.facekit import Renderer, sample_scene
    from synfer_core.facekit.scene import DISTRIBUTIONS

    renderer = Renderer.load()
    for number in range(count):
        rng = np.random.default_rng([number, 2410])
        scene = sample_scene(rng, identity=number, distribution=DISTRIBUTIONS["labelled"])
        yield Face(scene.expression, renderer.render(scene, RENDER_SIZE))
        tell(number + 1, count)


def write_source(folder: Path, faces: Iterable[Face], plan: Plan) -> dict[str, str]:
    """Write the files of a trial in folders by class; returns each bad file's reason by key."""
    wrong: dict[str, str] = {}
    last: Face | None = None
    for number, face in enumerate(faces):
        key = f"{face.expression}/{number:04d}.jpg"
        place = folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        if number in plan.bad_places:
            kind = BAD[len(wrong) % len(BAD)]
            write_whole(place, _bad(kind, len(wrong) // len(BAD), face, last or face))
            wrong[key] = kind
        else:
            size = SIZES[number % len(SIZES)]
            write_whole(place, _jpeg(_resized(face.image, size), _QUALITIES[number % 3]))
        last = face
    return wrong


def _bad(kind: str, turn: int, face: Face, other: Face) -> bytes:
    """The bytes of a file with which something is wrong."""
    if kind == "unreadable":
        whole = _jpeg(_resized(face.image, 256), 90)
        return (whole[: len(whole) // 3], b"<html>404 Not Found</html>", b"", whole[:64])[turn % 4]
    if kind == "blank":
        return _jpeg(np.full((256, 256, 3), (0, 255, 128)[turn % 3], np.uint8), 90)
    if kind == "several_faces":
        both = [_resized(one.image, 256) for one in (face, other)]
        return _jpeg(np.concatenate(both, axis=1), 90)
    return _jpeg(_shuffled(_resized(face.image, 256), turn), 90)


def _shuffled(image: Pixels, seed: int) -> Pixels:
    """The colours of a face without the face: tiles of 16 pixels in another order."""
    tiles = image.reshape(16, 16, 16, 16, 3).swapaxes(1, 2).reshape(256, 16, 16, 3)
    mixed = np.random.default_rng(seed).permutation(tiles)
    shuffled: Pixels = mixed.reshape(16, 16, 16, 16, 3).swapaxes(1, 2).reshape(256, 256, 3)
    return shuffled


def _resized(image: Pixels, size: int) -> Pixels:
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def _jpeg(image: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def build_here(
    source: Path, out: Path, *, per_shard: int, stop_at: int | None = None
) -> building.Built:
    """Build with the built-in tools; with `stop_at`, SIGKILL this process after so many images."""

    def watch(step: building.Progress) -> None:
        if step.done == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    options = Options(per_shard=per_shard, title="Trial", licence="Renders: no terms.")
    tools = Tools.load(DEFAULT_FOLDER, Gate(), options.size)
    place = Source(FOLDER, source)
    config = Config.of(options, place, place.listing(), tools)
    return building.build(place, tools, config, out, watch)


def build_apart(source: Path, out: Path, *, per_shard: int, stop_at: int | None = None) -> int:
    """The same in a process of its own; returns its exit code, negative for a signal."""
    context = multiprocessing.get_context("spawn")
    settings = {"per_shard": per_shard, "stop_at": stop_at}
    process = context.Process(target=build_here, args=(source, out), kwargs=settings)
    process.start()
    process.join()
    return process.exitcode or 0


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        plan: What was tried.
        wrong: Key of each bad file to the reason it has to be listed with.
        listed: Key of each file that was left out to the reason it is listed with.
        records: Images in the data set.
        kept: Shards that were there when the second run was killed.
        differing: Files of the second run, taken up again, that differ from the first's.
        report: Throughput and memory of the first run.
        resumed: The same of what was left of the second.
    """

    plan: Plan
    wrong: Mapping[str, str]
    listed: Mapping[str, str]
    records: int
    kept: int
    differing: tuple[str, ...]
    report: Mapping[str, Any]
    resumed: Mapping[str, Any]

    @property
    def misjudged(self) -> dict[str, str]:
        """Bad files that are not listed, or with another reason."""
        return {k: self.listed.get(k, "") for k, v in self.wrong.items() if self.listed.get(k) != v}

    @property
    def lost(self) -> dict[str, str]:
        """Good files that were left out."""
        return {key: reason for key, reason in self.listed.items() if key not in self.wrong}

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "images": self.plan.images,
            "bad": len(self.wrong),
            "right_reason": len(self.wrong) - len(self.misjudged),
            "misjudged": self.misjudged,
            "good": self.plan.images - len(self.wrong),
            "records": self.records,
            "lost": self.lost,
            "shards_when_killed": self.kept,
            "differing_after_resume": list(self.differing),
            "report": dict(self.report),
            "resumed_report": dict(self.resumed),
        }

    def lines(self) -> list[str]:
        """The figures in words."""
        right = len(self.wrong) - len(self.misjudged)
        same = "the same bytes" if not self.differing else f"{len(self.differing)} files differ"
        return [
            f"{right} of {len(self.wrong)} bad images are listed with the right reason",
            f"{self.records} of {self.plan.images - len(self.wrong)} good images came out",
            f"killed with {self.kept} shards written and taken up again: {same}",
            f"{self.report['images_per_second_and_core']} images a second and core "
            f"({self.report['images_per_second']} by the clock on the wall), at most "
            f"{self.report['peak_memory_mb']:.0f} MB of memory",
            *(f"  misjudged: {k} as {v or 'good'}" for k, v in self.misjudged.items()),
            *(f"  lost: {k} as {v}" for k, v in self.lost.items()),
            *(f"  differs: {name}" for name in self.differing),
        ]


def measure(folder: Path, faces: Iterable[Face], plan: Plan, run: Run | None = None) -> Trial:
    """Write the source, build it, build it again with a SIGKILL at half, and compare.

    Args:
        folder: An empty folder for source and results.
        faces: As many as the plan has images.
        plan: What to try.
        run: Builds a source into a folder; by default in a process of its own.

    Raises:
        DataError: A build ended with an error, or the killed one was not killed.
    """
    source, whole, broken = (folder / name for name in ("source", WHOLE, "killed"))
    wrong = write_source(source, faces, plan)
    run = run or partial(_run_apart, plan.per_shard)
    run(source, whole)
    code = build_apart(source, broken, per_shard=plan.per_shard, stop_at=plan.images // 2)
    if code != -signal.SIGKILL:
        raise DataError(f"the run that was to be killed ended with {code}", field=str(broken))
    kept = sum(1 for _ in building.notes_of(broken))
    run(source, broken)
    lines = (whole / building.REJECTED).read_text().splitlines()
    listed = {entry["key"]: entry["reason"] for entry in map(json.loads, lines)}
    report, resumed = (json.loads((f / building.REPORT).read_text()) for f in (whole, broken))
    first, second = digests(whole), digests(broken)
    differing = tuple(n for n in sorted(first | second) if first.get(n) != second.get(n))
    return Trial(plan, wrong, listed, report["records"], kept, differing, report, resumed)


def sheet(folder: Path) -> bytes:
    """A JPEG of some of the records in `folder`, a row for each expression, small faces first."""
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in _rows(path)]
    by_size = sorted(rows, key=lambda row: float(row["face_side"]))
    cells = []
    for name in EXPRESSIONS:
        found = [row for row in by_size if row["expression"] == name]
        places = [i * (len(found) - 1) // (_COLUMNS - 1) for i in range(_COLUMNS)]
        chosen = [found[place] for place in places] if found else []
        cells.append([_resized(_decoded(row["image"]["bytes"]), _THUMB) for row in chosen])
    blank = np.full((_THUMB, _THUMB, 3), 235, np.uint8)
    return contact_sheet(
        [row or [blank] * _COLUMNS for row in cells],
        row_names=EXPRESSIONS,
        column_names=["smallest in the photo", *[""] * (_COLUMNS - 2), "largest"],
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    columns = ["image", "expression", "face_side"]
    rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def _decoded(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def _run_apart(per_shard: int, source: Path, out: Path) -> None:
    code = build_apart(source, out, per_shard=per_shard)
    if code:
        raise DataError(f"the run ended with {code}", field=str(out))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but the report, which has timings."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != building.REPORT
    }
