"""Records as files: Parquet, or tar files as WebDataset reads them.

A shard's bytes depend on its records and the versions of the libraries alone. WebDataset
(https://github.com/webdataset/webdataset) groups the members of a tar file by the name before the
first dot: image, caption and everything else as JSON.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synfer_core.facs import AU_SLOTS
from synfer_core.fetext.labels import OPENGRAPHAU
from synfer_core.models.attributes import CLASSES

Row = Mapping[str, Any]

SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("key", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("expression", pa.string()),
        ("split", pa.string()),
        ("valence", pa.float32()),
        ("arousal", pa.float32()),
        ("caption", pa.string()),
        ("caption_by", pa.string()),
        ("caption_notes", pa.list_(pa.string())),
        ("aus", pa.list_(pa.float32(), len(AU_SLOTS))),
        ("au_occurrence", pa.list_(pa.float32(), len(OPENGRAPHAU))),
        ("au_source", pa.string()),
        *((name, pa.string()) for name in CLASSES),
        ("face_side", pa.float32()),
        ("faces", pa.int32()),
        *((name, pa.float32()) for name in ("sharpness", "outside", "yaw", "pitch", "roll")),
        ("upscaler", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("source_sha256", pa.string()),
    ],
    metadata={
        "aus": json.dumps(AU_SLOTS),
        "au_occurrence": json.dumps(OPENGRAPHAU),
    },
)
"""Columns. `aus` are 0-5 in `facs.AU_SLOTS` order, null where not measured; `au_occurrence` 0-1."""

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "index": "place in the source, from 0",
        "key": "name in the source",
        "image": "the aligned face, WebP",
        "expression": "label that came with the source; null where there is none",
        "split": "train, val or test, where the source has splits",
        "valence": "rating from -1 to 1, where the source has one",
        "arousal": "rating from -1 to 1, where the source has one",
        "caption": "the caption",
        "caption_by": "who wrote it",
        "caption_notes": "what was left out, or why a model's caption was not used",
        "aus": f"measured intensities 0 to 5 of {', '.join(AU_SLOTS)}; null where not measured",
        "au_occurrence": "probabilities 0 to 1 that the 41 units of OpenGraphAU are there, in its "
        "order; null unless a file gave them",
        "au_source": "who says so of the action units",
        "glasses": "attribute, where the judge is sure",
        "beard": "attribute, where the judge is sure",
        "hair_colour": "attribute, where the judge is sure",
        "skin_tone": "attribute, where the judge is sure",
        "face_side": "pixels of the photo on a side of the aligned crop",
        "faces": "faces found in the photo",
        "sharpness": "variance of the Laplacian over variance of the grey levels",
        "outside": "share of the crop beyond the photo's edge, which repeats it",
        "yaw": "degrees, positive to the subject's left",
        "pitch": "degrees, positive upwards",
        "roll": "degrees, positive where the subject's left eye is higher",
        "upscaler": "what enlarged the face; none where it was large enough",
        "width": "pixels of the photo",
        "height": "pixels of the photo",
        "source_sha256": "SHA-256 of the image file",
    }
)
"""What the columns hold, for data sheets."""


def to_parquet(rows: Sequence[Row]) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def to_tar(rows: Sequence[Row]) -> bytes:
    """A tar file with ``N.webp``, ``N.txt`` (caption) and ``N.json`` (the rest) of each record."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            for name, data in _members(row):
                # TarInfo's defaults have no time, user or group.
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _members(row: Row) -> Iterator[tuple[str, bytes]]:
    name = row["image"]["path"].partition(".")[0]
    rest = {key: value for key, value in row.items() if key != "image"}
    yield f"{name}.webp", row["image"]["bytes"]
    yield f"{name}.txt", row["caption"].encode()
    yield f"{name}.json", json.dumps(rest, allow_nan=False).encode()


WRITERS: Mapping[str, tuple[str, Callable[[Sequence[Row]], bytes]]] = MappingProxyType(
    {"parquet": (".parquet", to_parquet), "webdataset": (".tar", to_tar)}
)
"""Container: the suffix of its files, and what makes one."""


def file_name(number: int, container: str) -> str:
    """File of a shard."""
    return f"shard-{number:06d}{WRITERS[container][0]}"
