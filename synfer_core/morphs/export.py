"""A continuum written out: frames, moving pictures, table, report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from synfer_core.facekit import demographics
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, format_facs
from synfer_core.morphs import video
from synfer_core.morphs.making import Frame, Morph
from synfer_core.provenance import metadata
from synfer_core.provenance.export import Export, pixels_sha256
from synfer_core.provenance.marking import Marking
from synfer_core.stimuli.archive import Sink
from synfer_core.stimuli.table import Row, to_csv

FRAMES = "frames"
"""Folder of the frames."""

GIF, WEBP, MP4 = "morph.gif", "morph.webp", "morph.mp4"
TABLE, REPORT, SPECIFICATION = "frames.csv", "report.json", "continuum.json"

COLUMNS: Mapping[str, str] = {
    "file": "file name, in the folder frames",
    "frame": "number, from 0",
    "ms": "when it is shown, in milliseconds",
    "moment": "where it lies on the curves, 0 to 1; unlike its time where frames are spaced evenly",
    "facs": "action units asked for, each at its nearest FACS letter (A to E); empty for none",
    **demographics.COLUMNS,
    "measured_facs": "action units measured, as FACS string",
    **{f"measured_{slot}": "intensity measured, 0 to 5" for slot in AU_SLOTS},
    "au_reader": "who measured them",
    **{f"p_{name}": "FERAnno's calibrated probability, 0 to 1" for name in EXPRESSIONS},
    "label_reader": "who read it",
    "identity_similarity": "cosine of the identity codes of this frame and the neutral face",
    "identity_threshold": "similarity below which a frame is flagged",
    "identity_drift": "1 flagged, 0 not; empty where that cannot be told",
    "difference": "mean CIE 1976 colour difference to the frame before it",
    "pixels_sha256": "SHA-256 of the pixels as they were made, before any mark",
    "synfer_version": "version of SynFER Studio",
    "recipe": "the recipe, as JSON",
}
"""Columns and what they hold, besides one ``asked_`` column for each action unit in use."""


def moving_pictures(exports: Sequence[Export], fps: float) -> dict[str, bytes]:
    """GIF, WebP and MP4 of frames as they are written.

    Raises:
        DependencyError: This OpenCV cannot write the MP4.
    """
    frames, origin = [one.pixels for one in exports], _whole(exports)
    words = f"{origin.tool}; {origin.source_type}; watermark: {origin.watermark}"
    return {
        GIF: video.gif(frames, fps, words),
        WEBP: video.webp(frames, fps, metadata.to_xmp(origin)),
        MP4: video.mp4(frames, fps),
    }


def _whole(exports: Sequence[Export]) -> metadata.Origin:
    """What is true of all frames: their hashes are their own."""
    none = {"recipe_sha256": None, "image_sha256": None, "pixels_sha256": None}
    return replace(exports[-1].origin, **none)


def export(morph: Morph, sink: Sink, marking: Marking) -> dict[str, bytes]:
    """Write all files of a continuum.

    Args:
        morph: What was made.
        sink: Takes the files.
        marking: What is put onto frames and, with them, moving pictures.

    Returns:
        The moving pictures, by file name.

    Raises:
        DependencyError: This OpenCV cannot write the MP4.
    """
    exports = [Export.of(f.made.image, f.made.recipe, marking) for f in morph.frames]
    for frame, one in zip(morph.frames, exports, strict=True):
        sink.add(f"{FRAMES}/{frame.file}", one.to_png())
    moving = moving_pictures(exports, morph.continuum.fps)
    for name, data in moving.items():
        sink.add(name, data)
    sink.add(TABLE, table(morph))
    sink.add(REPORT, json.dumps(report(morph), indent=1, allow_nan=False).encode() + b"\n")
    sink.add(SPECIFICATION, morph.continuum.model_dump_json(indent=1).encode() + b"\n")
    return moving


def table(morph: Morph) -> bytes:
    """The table of the frames as CSV; an empty cell is a value that is not known."""
    names = list(COLUMNS)
    place = names.index("measured_facs")
    asked = [f"asked_{key}" for key in morph.continuum.ways]
    return to_csv([_row(morph, f) for f in morph.frames], [*names[:place], *asked, *names[place:]])


def _row(morph: Morph, frame: Frame) -> Row:
    made, asked = frame.made, frame.made.recipe.action_units
    cells = {
        "file": frame.file,
        "frame": frame.number,
        "ms": round(1000 * frame.number / morph.continuum.fps, 3),
        "moment": frame.moment,
        "facs": format_facs(asked),
        **{f"asked_{key}": asked.get(key, 0.0) for key in morph.continuum.ways},
        **morph.person,
        "measured_facs": format_facs(made.aus),
        **{f"measured_{slot}": value for slot, value in made.aus.items()},
        "au_reader": made.au_reader,
        **{f"p_{name}": value for name, value in made.probabilities.items()},
        "label_reader": made.label_reader,
        "identity_similarity": frame.similarity,
        "identity_threshold": morph.threshold,
        "identity_drift": None if frame.drifts is None else int(frame.drifts),
        "difference": frame.difference,
        "pixels_sha256": pixels_sha256(made.image),
        "synfer_version": version("synfer-studio"),
        "recipe": made.recipe.to_json(),
    }
    return {name: value for name, value in cells.items() if value is not None}


def report(morph: Morph) -> dict[str, Any]:
    """What was found, as JSON."""
    continuum, spaced = morph.continuum, morph.unspaced
    return {
        "frames": len(morph.frames),
        "fps": continuum.fps,
        "seconds": round(continuum.seconds, 4),
        "evenness": morph.evenness.to_dict(),
        "evenness_at_equal_moments": spaced.to_dict() if spaced else None,
        "identity": {
            "threshold": morph.threshold,
            "lowest_similarity": morph.lowest_similarity,
            "flagged_frames": list(morph.flagged),
            "note": morph.note,
        },
        "synfer_version": version("synfer-studio"),
    }


def lines(morph: Morph) -> list[str]:
    """The report in words."""
    even, before = morph.evenness, morph.unspaced
    told = [
        f"largest jump: {even.largest:.2f}, into frame {even.place}, "
        f"{even.ratio:.2f} times the mean of {even.mean:.2f}"
    ]
    if before:
        told.append(f"at equal moments it would be {before.ratio:.2f} times the mean")
    if morph.lowest_similarity is not None:
        told.append(f"lowest identity similarity: {morph.lowest_similarity:.3f}")
    if morph.flagged:
        told.append(f"the person drifts in frames {', '.join(map(str, morph.flagged))}")
    elif morph.threshold is not None and morph.lowest_similarity is not None:
        told.append(f"nobody drifts (threshold {morph.threshold:.3f})")
    return [*told, f"note: {morph.note}"] if morph.note else told
