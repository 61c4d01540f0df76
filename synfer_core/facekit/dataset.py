"""Labelled data sets of renders: Parquet shards, made in parallel, resumable, reproducible.

A shard is a pure function of the configuration and its number: the same seed gives the same bytes
whatever the number of workers. A few images in a row show one identity, so that its hair is
groomed once; shuffle when reading.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synfer_core.errors import DataError, RequestError
from synfer_core.facekit.captions import caption
from synfer_core.facekit.identity import CODE_SIZE, identity_code, split_of
from synfer_core.facekit.renderer import SIZES, Renderer
from synfer_core.facekit.scene import DISTRIBUTIONS, Scene, sample_scene
from synfer_core.facs import AU_SLOTS, MAX_INTENSITY
from synfer_core.files import placed

SPLITS = ("train", "val", "test")
METADATA_KEY = b"synfer"
FORMAT = 1

SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("identity", pa.int64()),
        ("split", pa.string()),
        ("expression", pa.string()),
        ("aus", pa.list_(pa.float32(), len(AU_SLOTS))),
        ("caption", pa.string()),
        ("identity_code", pa.list_(pa.float32(), CODE_SIZE)),
        ("sex", pa.string()),
        ("age", pa.float32()),
        ("skin_tone", pa.int8()),
        ("skin_word", pa.string()),
        ("undertone", pa.string()),
        ("hair", pa.string()),
        ("hair_colour", pa.string()),
        ("beard", pa.string()),
        ("glasses", pa.string()),
        ("eye_colour", pa.string()),
        ("freckles", pa.bool_()),
        ("makeup", pa.string()),
        ("lighting", pa.string()),
        ("background", pa.string()),
        *((name, pa.float32()) for name in ("yaw", "pitch", "roll", "gaze_x", "gaze_y")),
    ]
)
"""Columns of a shard. `aus` are 0-5 in `facs.AU_SLOTS` order, angles degrees, `image` WebP."""


class ShardedSet(Protocol):
    """A set of rendered images that `render_dataset` writes: what each shard holds is a pure
    function of this and the shard's number."""

    @property
    def count(self) -> int:
        """Images in all."""

    @property
    def per_shard(self) -> int:
        """Images in a shard."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard."""

    @property
    def layout(self) -> Mapping[str, Any]:
        """How Parquet lays a shard out, in the words of `pyarrow.parquet.write_table`."""

    def to_json(self) -> str:
        """What shards of one set have in common, as it is kept in every shard."""

    def rows(self, renderer: Renderer, indices: range) -> list[dict[str, Any]]:
        """The rows of some images."""


@dataclass(frozen=True)
class DatasetConfig:
    """What to render.

    Attributes:
        count: Number of images.
        size: Pixels on a side.
        seed: Seed of the whole set.
        distribution: One of `scene.DISTRIBUTIONS`.
        split: Only identities of this split; None for all.
        per_identity: Images in a row that show one person.
        per_shard: Images in a shard, a multiple of `per_identity`.
        quality: WebP quality.
    """

    count: int
    size: int = 128
    seed: int = 0
    distribution: str = "calm"
    split: str | None = None
    per_identity: int = 8
    per_shard: int = 512
    quality: int = 92

    def __post_init__(self) -> None:
        check(self.count >= 1, "count", "1 or more")
        check(SIZES[0] <= self.size <= SIZES[1], "size", f"{SIZES[0]} to {SIZES[1]}")
        check(self.seed >= 0, "seed", "0 or more")
        check(self.distribution in DISTRIBUTIONS, "distribution", ", ".join(DISTRIBUTIONS))
        check(self.split is None or self.split in SPLITS, "split", ", ".join(SPLITS))
        check(self.per_identity >= 1, "per_identity", "1 or more")
        whole = self.per_shard >= 1 and self.per_shard % self.per_identity == 0
        check(whole, "per_shard", f"a multiple of {self.per_identity}")
        check(1 <= self.quality <= 100, "quality", "1 to 100")

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard."""
        return SCHEMA

    @property
    def layout(self) -> Mapping[str, Any]:
        """Parquet's own."""
        return {}

    def rows(self, renderer: Renderer, indices: range) -> list[dict[str, Any]]:
        """The rows of some images."""
        return [row_of(renderer, self, index) for index in indices]

    def to_json(self) -> str:
        """The configuration as JSON, as it is kept in every shard (without the count)."""
        values = {**asdict(self), "format": FORMAT}
        del values["count"]
        return json.dumps(values, sort_keys=True)


def check(ok: bool, field: str, allowed: str) -> None:
    """Refuse a setting that is out of range.

    Raises:
        RequestError: It is.
    """
    if not ok:
        raise RequestError("is out of range", field=field, allowed=allowed)


def identity_of(config: DatasetConfig, index: int) -> int:
    """Identity seed of the image at `index`."""
    rng = np.random.default_rng([config.seed, 555, index // config.per_identity])
    while True:
        identity = int(rng.integers(1 << 31))
        if config.split is None or split_of(identity) == config.split:
            return identity


def scene_of(config: DatasetConfig, index: int) -> tuple[Scene, str]:
    """Scene and caption of the image at `index`."""
    rng = np.random.default_rng([config.seed, index])
    distribution = DISTRIBUTIONS[config.distribution]
    scene = sample_scene(rng, identity=identity_of(config, index), distribution=distribution)
    return scene, caption(scene, rng)


def row_of(renderer: Renderer, config: DatasetConfig, index: int) -> dict[str, Any]:
    """One row of the data set: the image and everything known about it."""
    scene, words = scene_of(config, index)
    picture = renderer.render(scene, config.size)
    quality = (cv2.IMWRITE_WEBP_QUALITY, config.quality)
    return {
        "image": encoded(picture, ".webp", quality, index),
        **labels_of(renderer, scene, words, index),
    }


def encoded(
    picture: NDArray[np.uint8], suffix: str, quality: tuple[int, int], index: int
) -> dict[str, Any]:
    """A picture as a shard holds it.

    Args:
        picture: sRGB (S, S, 3).
        suffix: ``.webp`` or ``.png``.
        quality: OpenCV's flag for it and its value.
        index: Number of the image, which names it.

    Raises:
        DataError: It cannot be encoded.
    """
    ok, data = cv2.imencode(suffix, picture[..., ::-1], quality)
    if not ok:
        raise DataError("an image could not be encoded", field=str(index))
    return {"bytes": data.tobytes(), "path": f"{index:08d}{suffix}"}


def labels_of(renderer: Renderer, scene: Scene, words: str, index: int) -> dict[str, Any]:
    """All columns of a scene but its image."""
    return {
        "index": index,
        "expression": scene.expression,
        "aus": [v * MAX_INTENSITY for v in renderer.labels(scene)],
        "caption": words,
        "identity_code": identity_code(scene.identity),
        **factors_of(scene),
    }


def factors_of(scene: Scene) -> dict[str, Any]:
    """The scalar columns of a scene."""
    person, pose = scene.identity, scene.pose
    return {
        "identity": person.seed,
        "split": split_of(person.seed),
        "sex": person.sex,
        "age": person.age,
        "skin_tone": person.skin.step,
        "skin_word": person.skin.word,
        "undertone": person.skin.undertone,
        "hair": person.hair.style,
        "hair_colour": person.hair.colour,
        "beard": person.beard,
        "glasses": scene.styling.glasses,
        "eye_colour": person.eyes.colour,
        "freckles": person.skin.freckles > 0,
        "makeup": scene.styling.makeup,
        "lighting": scene.lighting.kind,
        "background": scene.background.kind,
        "yaw": pose.yaw,
        "pitch": pose.pitch,
        "roll": pose.roll,
        "gaze_x": scene.gaze[0],
        "gaze_y": scene.gaze[1],
    }


def shard_path(folder: Path, number: int) -> Path:
    """File of a shard."""
    return folder / f"shard-{number:06d}.parquet"


def render_dataset(
    config: ShardedSet,
    folder: Path,
    *,
    workers: int = 1,
    pack: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a data set into `folder`; shards that are there already are kept.

    Args:
        workers: Processes to render in.
        pack: Data pack, None for the default one.
        progress: Called with the images done and in all, after every shard.

    Raises:
        DataError: The folder holds shards of another configuration or damaged ones.
        PackError: There is no pack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = _missing_shards(config, folder)
    done = config.count - sum(_rows_in(config, number) for number in missing)
    if progress and done:
        progress(done, config.count)
    for number in _render_shards(config, folder, missing, workers, pack):
        done += _rows_in(config, number)
        if progress:
            progress(done, config.count)
    return folder


def _rows_in(config: ShardedSet, number: int) -> int:
    return min(config.per_shard, config.count - number * config.per_shard)


def _missing_shards(config: ShardedSet, folder: Path) -> list[int]:
    missing = []
    for number in range(math.ceil(config.count / config.per_shard)):
        path = shard_path(folder, number)
        if not path.exists() or _is_short(config, path, number):
            missing.append(number)
    return missing


def _is_short(config: ShardedSet, path: Path, number: int) -> bool:
    """Whether an existing shard must be made anew, because more images are wanted in it.

    Raises:
        DataError: It belongs to another configuration or is damaged.
    """
    try:
        schema, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"is damaged: {error}", field=str(path)) from error
    if (schema.metadata or {}).get(METADATA_KEY) != config.to_json().encode():
        raise DataError(
            "was rendered with other settings", field=str(path), allowed=config.to_json()
        )
    return bool(rows < _rows_in(config, number))


def _render_shards(
    config: ShardedSet, folder: Path, numbers: list[int], workers: int, pack: Path | None
) -> Iterator[int]:
    jobs = [(config, folder, number) for number in numbers]
    if workers <= 1 or len(jobs) <= 1:
        if jobs:
            _start_worker(pack)
        yield from map(_render_shard, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(jobs)), _start_worker, (pack,)) as pool:
        yield from pool.imap_unordered(_render_shard, jobs)


_worker: dict[str, Renderer] = {}


def _start_worker(pack: Path | None) -> None:
    cv2.setNumThreads(1)
    _worker["renderer"] = Renderer.load(pack)


def _render_shard(job: tuple[ShardedSet, Path, int]) -> int:
    config, folder, number = job
    first = number * config.per_shard
    indices = range(first, first + _rows_in(config, number))
    rows = config.rows(_worker["renderer"], indices)
    _write_shard(config, rows, shard_path(folder, number))
    return number


def _write_shard(config: ShardedSet, rows: list[dict[str, Any]], path: Path) -> None:
    schema = config.schema.with_metadata({METADATA_KEY: config.to_json().encode()})
    table = pa.Table.from_pylist(rows, schema=schema)
    with placed(path) as aside:
        pq.write_table(table, aside, compression="zstd", **config.layout)
