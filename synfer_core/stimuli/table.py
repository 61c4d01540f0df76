"""The table of a set: one row an image, with all that was asked, made and measured.

A row's recipe and treatment alone are enough to make its image again; see `remaking`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from synfer_core.errors import DataError, SynferError
from synfer_core.facekit import demographics
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, format_facs
from synfer_core.files import read_text_bytes
from synfer_core.request import Recipe
from synfer_core.stimuli import names
from synfer_core.stimuli.align import Move
from synfer_core.stimuli.making import Written
from synfer_core.stimuli.spec import MAX_IMAGES, check_unique
from synfer_core.stimuli.treat import Applied
from synfer_core.tables import Writer, rows_of

FILE = "stimuli.csv"
MAX_BYTES = 1 << 28

COLUMNS: Mapping[str, str] = {
    "file": "file name, in the folder images",
    "subject": "number of the person, from 1",
    "identity_seed": "seed that draws the person",
    **demographics.COLUMNS,
    "expression": "neutral, or the expression, the action unit or the mix",
    "intensity": "per cent of the apex; 0 for neutral",
    "view": "view, as the specification calls it",
    "facs": "action units asked for, each at its nearest FACS letter (A to E); empty for none",
    "aus": "action units asked for, 0 to 5, as JSON",
    "measured_facs": "action units measured, as FACS string",
    **{f"measured_{slot}": "intensity measured, 0 to 5" for slot in AU_SLOTS},
    "au_reader": "who measured them",
    **{f"p_{name}": "FERAnno's calibrated probability, 0 to 1" for name in EXPRESSIONS},
    "label": "FERAnno's likeliest expression",
    "label_reader": "who read it",
    "label_au_rules": "expression nearest to the action units measured",
    "label_vote": "likeliest expression by the vote of FERAnno and the experts",
    "vote_reader": "who voted",
    "label_mediapipe": "expression nearest to the action units that MediaPipe tells",
    "mediapipe_reader": "which MediaPipe, and its map from blendshapes to units",
    "identity_similarity": "cosine of the identity codes of this image and the neutral one",
    "identity_threshold": "similarity below which an image is flagged",
    "identity_drift": "1 flagged, 0 not; empty where that cannot be told",
    "eye_tilt": "degrees by which the eyes were off level before alignment",
    "eye_shift": "pixels by which the eyes were off their place before alignment",
    "eye_left_x": "where the eye on the left lies in the written image, % of the width",
    "eye_right_x": "where the eye on the right lies, % of the width",
    "eye_y": "how far down the eyes lie, % of the height",
    "luminance_mean_before": "mean luminance inside the oval before matching, 0 to 255",
    "luminance_sd_before": "its standard deviation",
    "luminance_mean_after": "mean luminance inside the oval of the written image",
    "luminance_sd_after": "its standard deviation",
    "size": "pixels on a side",
    "made_size": "pixels on a side that the face was made at, before treatment",
    "enlargement": "pixels of the written image for each that was made, alignment included",
    "pixels_sha256": "SHA-256 of the red, green and blue bytes, row by row",
    "seed": "seed that draws the noise",
    "backbone": "which model made it",
    "model_sha256": "SHA-256 of the model",
    "synfer_version": "version of SynFER Studio",
    "recipe": "the recipe, as JSON",
    "treatment": "all that was done to the image, as JSON",
}
"""Columns and what they hold."""

LABELS: Mapping[str, str] = {
    "feranno": "label",
    "au_rules": "label_au_rules",
    "vote": "label_vote",
    "mediapipe": "label_mediapipe",
}
"""By reader of expressions (`opinions.TITLES`), the column of what it reads."""

NEEDED = ("file", "pixels_sha256", "model_sha256", "recipe", "treatment")
"""Columns that are enough to make the images again."""

Row = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Wanted:
    """An image that a table says how to make.

    Attributes:
        file: Its file name.
        recipe: What to make.
        applied: What to do to it.
        pixels_sha256: What has to come out.
        model_sha256: What made it; empty where that has no hash.
    """

    file: str
    recipe: Recipe
    applied: Applied
    pixels_sha256: str
    model_sha256: str


def row_of(written: Written) -> Row:
    """The row of an image; cells without a value are left out."""
    stimulus, made = written.stimulus, written.made
    likeliest = max(made.probabilities, key=lambda name: made.probabilities[name], default="")
    return {
        "file": stimulus.file,
        "subject": stimulus.subject,
        "identity_seed": stimulus.recipe.identity_seed or 0,
        **written.person,
        "expression": stimulus.expression,
        "intensity": stimulus.intensity,
        "view": stimulus.view,
        "facs": stimulus.facs,
        "aus": json.dumps(stimulus.recipe.action_units),
        "measured_facs": format_facs(made.aus),
        **{f"measured_{slot}": value for slot, value in made.aus.items()},
        "au_reader": made.au_reader,
        **{f"p_{name}": value for name, value in made.probabilities.items()},
        "label": likeliest,
        "label_reader": made.label_reader,
        **_opinions(written),
        **_identity(written),
        **_treatment(written),
        "seed": made.recipe.seed,
        "backbone": made.recipe.backbone,
        "model_sha256": written.model_sha256,
        "synfer_version": version("synfer-studio"),
        "recipe": made.recipe.to_json(),
    }


def _opinions(written: Written) -> Row:
    """What others than FERAnno read, and who they are."""
    named = {LABELS[name]: label for name, label in written.read.items() if name != "feranno"}
    who = {f"{name}_reader": written.readers.get(name, "") for name in ("vote", "mediapipe")}
    return named | {column: version for column, version in who.items() if version}


def _identity(written: Written) -> Row:
    cells = {
        "identity_similarity": written.similarity,
        "identity_threshold": written.threshold,
        "identity_drift": None if written.drifts is None else int(written.drifts),
    }
    return {name: value for name, value in cells.items() if value is not None}


def _eyes(move: Move) -> Row:
    places = move.places
    shares = {"eye_left_x": places.left_x, "eye_right_x": places.right_x, "eye_y": places.y}
    off = {"eye_tilt": move.tilt, "eye_shift": move.shift}
    return off | {name: round(100 * share, 1) for name, share in shares.items()}


def _treatment(written: Written) -> Row:
    move, treated = written.frame.move, written.treated
    return {
        **(_eyes(move) if move else {}),
        "luminance_mean_before": round(treated.before.mean, 3),
        "luminance_sd_before": round(treated.before.sd, 3),
        "luminance_mean_after": round(treated.after.mean, 3),
        "luminance_sd_after": round(treated.after.sd, 3),
        "size": len(treated.image),
        "made_size": len(written.made.image),
        "enlargement": round(written.enlargement, 3),
        "pixels_sha256": written.pixels_sha256,
        "treatment": written.applied.to_json(),
    }


def to_csv(rows: Iterable[Row], columns: Iterable[str] = tuple(COLUMNS)) -> bytes:
    """Rows as CSV in UTF-8."""
    text = io.StringIO()
    writer = Writer(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(path: Path) -> tuple[Wanted, ...]:
    """The images of a table.

    Raises:
        RequestError: The file cannot be read, or names one image twice.
        DataError: It is no table of a set; names the row and the field.
    """
    rows = _rows(read_text_bytes(path, "--from-csv", limit=MAX_BYTES))
    wanted = tuple(_wanted(number, row) for number, row in rows)
    if not wanted or len(wanted) > MAX_IMAGES:
        raise DataError(
            f"has {len(wanted):,} rows", field="--from-csv", allowed=f"1 to {MAX_IMAGES:,}"
        )
    check_unique((one.file.lower() for one in wanted), "file")
    return wanted


def _rows(data: bytes) -> Sequence[tuple[int, Mapping[str, str]]]:
    """The rows of a table, each with its number from 1.

    Raises:
        DataError: It is no table of a set.
    """
    try:
        lines = rows_of(data)
        missing = [name for name in NEEDED if name not in lines.columns]
        rows = [] if missing else list(enumerate(lines, 1))
    except csv.Error as error:
        raise DataError(f"cannot be read as a table: {error}", field="--from-csv") from error
    if missing:
        raise DataError(
            f"has no column {missing[0]}", field="--from-csv", allowed=", ".join(NEEDED)
        )
    return rows


def _wanted(number: int, row: Mapping[str, str]) -> Wanted:
    try:
        file, pixels, model, recipe, treatment = (row[name] for name in NEEDED)
        names.check_safe(file, "file")
        return Wanted(file, Recipe.parse_json(recipe), Applied.parse_json(treatment), pixels, model)
    except SynferError as error:
        place = f"row {number}, {error.field}"
        raise DataError(error.message, field=place, allowed=error.allowed) from error
