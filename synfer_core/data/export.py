"""A finished set in other forms: ImageFolder, Parquet as Hugging Face reads it, WebDataset.

Equal sets give equal files, byte for byte. Every image is compared with the manifest on its way.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from synfer_core.data.card import CARD, GRID
from synfer_core.data.manifest import MANIFEST, Record, read
from synfer_core.errors import DataError
from synfer_core.facekit import demographics
from synfer_core.facekit.identity import split_of
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, slots_of
from synfer_core.stimuli import archive
from synfer_core.stimuli.archive import Sink
from synfer_core.tables import Writer

Form = Literal["imagefolder", "parquet", "webdataset"]
FORMS: tuple[Form, ...] = get_args(Form)
PER_FILE = 1000
"""Images in one Parquet or tar file."""

UNLABELLED = "unlabelled"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_FURTHER = ("hair", "hair_colour", "beard", "glasses")

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Item:
    """One image of a set on its way out."""

    record: Record
    png: bytes

    @property
    def label(self) -> str:
        """Its label, `UNLABELLED` without one."""
        return self.record.label or UNLABELLED

    @property
    def name(self) -> str:
        """Its number, as files are called."""
        return f"{self.record.index:08d}"

    @property
    def prompt(self) -> str:
        """The words it was made from."""
        recipe = self.record.recipe
        return str(recipe.get("enriched_text") or recipe.get("text", ""))

    def facts(self) -> dict[str, Any]:
        """What is known of it, flat: the columns of every form."""
        record = self.record
        asked = record.recipe.get("aus", {})
        slots = {slot: float(value) for key, value in asked.items() for slot in slots_of(key)}
        return {
            "index": record.index,
            "label": self.label,
            "asked": record.asked or UNLABELLED,
            "verdict": record.attempts[-1].verdict,
            "attempts": len(record.attempts),
            "person": record.person,
            **dict.fromkeys(demographics.COLUMNS, ""),
            **demographics.columns(record.apparent),
            **{factor: record.apparent.get(factor, "") for factor in _FURTHER},
            "prompt": self.prompt,
            **{f"asked_{slot}": slots.get(slot, 0.0) for slot in AU_SLOTS},
            **{f"read_{slot}": record.aus.get(slot) for slot in AU_SLOTS},
            **{f"p_{name}": record.probabilities.get(name) for name in EXPRESSIONS},
            "sha256": record.sha256,
            "pixels_sha256": record.pixels_sha256,
            "model_sha256": record.model_sha256,
        }


def export(
    folder: Path, form: Form, out: Path, *, splits: bool = False, tell: Tell = lambda done: None
) -> int:
    """Write a set in another form; the folder is written whole or not at all.

    Args:
        folder: The set.
        form: Which form.
        out: A new or empty folder.
        splits: Part the people into train (90 %), validation and test (5 % each), so that nobody is
            in two of them; else all is train.
        tell: Called with images done.

    Returns:
        Images written.

    Raises:
        DataError: The set has no manifest, or an image differs from it.
        RequestError: `out` cannot be written.
    """
    archive.check(out, "--out")
    with archive.writing(out) as sink:
        return fill(folder, form, sink, splits=splits, tell=tell)


def fill(
    folder: Path, form: Form, sink: Sink, *, splits: bool = False, tell: Tell = lambda done: None
) -> int:
    """The same into an open folder or ZIP file; `tell` may raise to end it.

    Raises:
        DataError: The set has no manifest, or an image differs from it.
    """
    done = 0
    for name in _SPLITS if splits else ("train",):
        split = _SPLITS[name]
        for _ in _write(form, split, items(folder, name if splits else None), sink):
            done += 1
            tell(done)
    for file in (CARD, GRID, MANIFEST):
        sink.add(_beside(file), (folder / file).read_bytes())
    return done


def _beside(file: str) -> str:
    """What a set's own files are called: loaders take no JSON Lines of ours for their metadata."""
    return f"about/{file}" if file == MANIFEST else file


def items(folder: Path, split: str | None) -> Iterator[Item]:
    """The images of a set, each compared with the manifest on its way.

    Args:
        folder: The set.
        split: ``train``, ``val`` or ``test``: only people of that split; None for all.

    Raises:
        DataError: The set has no manifest, or an image differs from it.
    """
    for record in read(folder / MANIFEST):
        if not record.kept or (split and split_of(record.person) != split):
            continue
        try:
            png = (folder / str(record.file)).read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", field=str(record.file)) from error
        if hashlib.sha256(png).hexdigest() != record.sha256:
            raise DataError("is not the file that was made", field=str(record.file))
        yield Item(record, png)


def _write(form: Form, split: str, items: Iterator[Item], sink: Sink) -> Iterator[Item]:
    writers: Mapping[Form, Callable[[str, Iterator[Item], Sink], Iterator[Item]]] = {
        "imagefolder": _imagefolder,
        "parquet": _parquet,
        "webdataset": _webdataset,
    }
    yield from writers[form](split, items, sink)


def _imagefolder(split: str, items: Iterator[Item], sink: Sink) -> Iterator[Item]:
    """A folder for each label, and ``metadata.csv`` as Hugging Face's loader reads it."""
    table = io.StringIO()
    writer: Writer | None = None
    for item in items:
        file = f"{item.label}/{item.name}.png"
        sink.add(f"{split}/{file}", item.png)
        row = {"file_name": file, **item.facts()}
        if writer is None:
            writer = Writer(table, list(row))
            writer.writeheader()
        writer.writerow(row)
        yield item
    if writer is not None:
        sink.add(f"{split}/metadata.csv", table.getvalue().encode())


def _webdataset(split: str, items: Iterator[Item], sink: Sink) -> Iterator[Item]:
    """Tar files in which one name holds an image, its class and what is known of it."""
    for number, part in enumerate(_parts(items)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for item in part:
                known = json.dumps({**item.facts(), "recipe": dict(item.record.recipe)})
                _put(tar, f"{item.name}.cls", str(_class(item)).encode())
                _put(tar, f"{item.name}.json", known.encode())
                _put(tar, f"{item.name}.png", item.png)
                yield item
        sink.add(f"{split}-{number:06d}.tar", buffer.getvalue())


def _parts(items: Iterator[Item]) -> Iterator[list[Item]]:
    """The images of one file after the other."""
    while part := list(islice(items, PER_FILE)):
        yield part


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """One file without owner or time, so that equal sets give equal archives."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _class(item: Item) -> int:
    """Place in `EXPRESSIONS`, -1 without a label."""
    return EXPRESSIONS.index(item.record.label) if item.record.label else -1


def _parquet(split: str, items: Iterator[Item], sink: Sink) -> Iterator[Item]:
    """Parquet files with the image's bytes, and the features that Hugging Face's loader reads."""
    for number, part in enumerate(_parts(items)):
        sink.add(f"data/{split}-{number:05d}.parquet", _table(part))
        yield from part


def _table(items: Sequence[Item]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "image": {"bytes": item.png, "path": f"{item.name}.png"},
            **item.facts(),
            "label": _class(item),
            "recipe": json.dumps(dict(item.record.recipe)),
        }
        for item in items
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema(rows[0])), buffer, compression="zstd")
    return buffer.getvalue()


def _schema(row: Mapping[str, Any]) -> Any:
    """The columns, the same for every file, and their meaning for `datasets.load_dataset`."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fixed = {"image": image, "label": pa.int64()}
    whole = {"index", "attempts", "person"}
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(EXPRESSIONS)},
    }
    for name in row:
        if name in fixed:
            continue
        number = name.startswith(("asked_", "read_", "p_"))
        fixed[name] = pa.int64() if name in whole else pa.float32() if number else pa.string()
        features[name] = {"_type": "Value", "dtype": str(fixed[name]).replace("float", "float32")}
        if number:
            features[name]["dtype"] = "float32"
    order = list(row)
    known = json.dumps({"info": {"features": {name: features[name] for name in order}}})
    return pa.schema([(name, fixed[name]) for name in order], metadata={"huggingface": known})
