"""Everything that a data set's bytes depend on; an interrupted run goes on only with the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Self

import torch

from synfer_core.errors import DataError, RequestError
from synfer_core.faces.landmarks import MODEL_SHA256
from synfer_core.fetext.caption import INSTRUCTION, Multimodal
from synfer_core.fetext.records import Tools
from synfer_core.fetext.shards import WRITERS
from synfer_core.fetext.sources import Listing, Source

FORMAT = 1
LIBRARIES = ("mediapipe", "numpy", "opencv-contrib-python", "pillow", "pyarrow", "torch",
             "transformers")  # fmt: skip
"""Whose versions the bytes depend on."""

_SIZES = (64, 1024)


@dataclass(frozen=True)
class Options:
    """How a data set is written.

    Attributes:
        size: Pixels on a side of its images.
        per_shard: Images of the source that a shard covers; those left out are not replaced.
        container: ``parquet`` or ``webdataset``.
        quality: WebP quality, 1 to 100.
        title: Of the data sheet.
        licence: Text for the data sheet; what the user says of the licence.
    """

    size: int = 256
    per_shard: int = 256
    container: str = "parquet"
    quality: int = 95
    title: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        low, high = _SIZES
        _check(low <= self.size <= high, "--size", f"{low} to {high}")
        _check(1 <= self.per_shard <= 100_000, "--per-shard", "1 to 100,000")
        _check(self.container in WRITERS, "--format", " or ".join(WRITERS))
        _check(1 <= self.quality <= 100, "--quality", "1 to 100")


def _check(fine: bool, field: str, allowed: str) -> None:
    if not fine:
        raise RequestError("is out of range", field=field, allowed=allowed)


@dataclass(frozen=True)
class Config:
    """What a data set depends on.

    Attributes:
        options: How it is written.
        source: Layout, name, split, limit, count and fingerprint of the listing.
        gate: Threshold by name.
        models: Role to name and SHA-256.
        versions: Library to version.
        threads: Of torch, on which the last digits of what networks read depend.
    """

    options: Options
    source: Mapping[str, Any]
    gate: Mapping[str, float]
    models: Mapping[str, Mapping[str, str]]
    versions: Mapping[str, str]
    threads: int

    @classmethod
    def of(cls, options: Options, source: Source, listing: Listing, tools: Tools) -> Self:
        """What a build from this source with these tools depends on."""
        return cls(
            options=options,
            source=_source(source, listing),
            gate=tools.gate.to_dict(),
            models=_models(tools),
            versions={name: version(name) for name in ("synfer-studio", *LIBRARIES)},
            threads=torch.get_num_threads(),
        )

    @property
    def count(self) -> int:
        """Images of the source."""
        return int(self.source["count"])

    @property
    def per_shard(self) -> int:
        """See `Options`."""
        return self.options.per_shard

    @property
    def container(self) -> str:
        """See `Options`."""
        return self.options.container

    @property
    def quality(self) -> int:
        """See `Options`."""
        return self.options.quality

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"format": FORMAT, **asdict(self)}

    def check_same(self, earlier: bytes, where: str) -> None:
        """Refuse to go on with what another configuration began.

        Raises:
            RequestError: A field differs; the message has its name and both values.
            DataError: The earlier configuration cannot be read.
        """
        try:
            was = dict(_flat(json.loads(earlier)))
        except ValueError as error:
            raise DataError(f"its configuration is damaged: {error}", field=where) from error
        now = dict(_flat(self.to_dict()))
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                raise RequestError(
                    f"{where} was begun with {was.get(name)!r}, not {now.get(name)!r}",
                    field=name,
                    allowed="the same, or another folder",
                )


def _source(source: Source, listing: Listing) -> dict[str, Any]:
    return {
        "layout": source.layout.name,
        "name": source.root.resolve().name,
        "split": source.split,
        "limit": source.limit,
        "count": listing.count,
        "listing_sha256": listing.sha256,
    }


def _models(tools: Tools) -> dict[str, dict[str, str]]:
    captioner = tools.captioner
    models = {
        "faces": {"name": "MediaPipe Face Landmarker", "sha256": MODEL_SHA256},
        "upscaler": _named(tools.upscaler.name, tools.upscaler.sha256),
        "action units": _named(tools.labeller.name, tools.labeller.sha256),
        "attributes": _named(tools.attributes.name, tools.attributes.sha256),
        "captions": _named(captioner.name, captioner.sha256),
    }
    if isinstance(captioner, Multimodal):
        models["instruction"] = _named("text", sha256(INSTRUCTION.encode()).hexdigest())
    return models


def _named(name: str, digest: str) -> dict[str, str]:
    return {"name": name, "sha256": digest}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Fields with dotted names, such as ``gate.max_yaw``."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
