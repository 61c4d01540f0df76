"""A methods paragraph for a paper and a data sheet for an archive, from what a set is made of.

The data sheet asks the questions of Gebru et al., Datasheets for Datasets, Communications of the
ACM 2021 (https://doi.org/10.1145/3458723), in short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from synfer_core.facekit import demographics
from synfer_core.facs import format_facs
from synfer_core.request import SceneOptions
from synfer_core.stimuli import confusion
from synfer_core.stimuli.exports import CONDITIONS, IMAGES, PRELOAD
from synfer_core.stimuli.luminance import TOLERANCE
from synfer_core.stimuli.opinions import TITLES
from synfer_core.stimuli.record import Record
from synfer_core.stimuli.table import COLUMNS, FILE

METHODS, DATASHEET = "methods.md", "datasheet.md"

REFERENCES = {
    "SynFER": "He et al. (2025). SynFER: Towards boosting facial expression recognition with "
    "synthetic data. ICCV. https://arxiv.org/abs/2410.09865",
    "FACS": "Ekman, P., Friesen, W. V., & Hager, J. C. (2002). Facial Action Coding System. "
    "A Human Face.",
    "ICT": "Li, R., et al. (2020). Learning formation of physically-based face attributes. CVPR. "
    "https://arxiv.org/abs/2004.03458",
    "MediaPipe": "Kartynnik, Y., et al. (2019). Real-time facial surface geometry from monocular "
    "video on mobile GPUs. https://arxiv.org/abs/1907.06724",
    "SHINE": "Willenbockel, V., et al. (2010). Controlling low-level image properties: The SHINE "
    "toolbox. Behavior Research Methods, 42(3), 671-684. https://doi.org/10.3758/BRM.42.3.671",
}

_CROPS = {
    "none": "Images were not cropped.",
    "oval": "One oval outline, the same in all images, shows the face without hair, ears and neck.",
    "hair": "Each identity's head was cut out along the outline of its neutral image, without neck "
    "and shoulders.",
}


def methods(record: Record) -> str:
    """The methods paragraph, as Markdown, with its references."""
    paragraph = " ".join(
        part
        for part in (
            _incomplete(record),
            _what(record),
            _origin(record),
            _people(record),
            _shown(record),
            _framed(record),
            _matched(record),
            _read(record),
            _same_person(record),
        )
        if part
    )
    cited = [text for name, text in REFERENCES.items() if name in _cited(record)]
    references = "\n".join(f"- {text}" for text in cited)
    return f"# Methods\n\n{paragraph}\n\n## References\n\n{references}\n"


def _cited(record: Record) -> set[str]:
    treatment = record.plan.spec.treatment
    cited = {"SynFER", "FACS", "ICT"}
    cited |= {"MediaPipe"} if treatment.align == "eyes" and not record.origin.located else set()
    return cited | ({"SHINE"} if treatment.match != "none" else set())


def _incomplete(record: Record) -> str:
    """That images are missing, where some are."""
    planned = record.plan.planned or len(record.plan.stimuli)
    if len(record.rows) == planned:
        return ""
    return (
        f"**This set is incomplete: {len(record.rows):,} of {planned:,} images are in it; what is "
        f"said below of expressions and intensities is what was planned. {FILE} lists the images "
        "that are here.**"
    )


def _what(record: Record) -> str:
    spec, row = record.plan.spec, record.rows[0]
    colour = "greyscale" if spec.treatment.greyscale else "colour"
    people = len({row["subject"] for row in record.rows})
    digest = f", SHA-256 {row['model_sha256']}" if row["model_sha256"] else ""
    return (
        f"Stimuli were {len(record.rows):,} {colour} images ({row['size']} x {row['size']} pixels) "
        f"of {people} synthetic {'identities' if people > 1 else 'identity'}, made with SynFER "
        f"Studio {version('synfer-studio')} (after SynFER; He et al., 2025; model: "
        f"{record.origin.title}{digest}). {_sizes(record)}"
    )


def _sizes(record: Record) -> str:
    """At what size the faces were made, and how far they were enlarged."""
    size, made = (record.span(name, 0) for name in ("size", "made_size"))
    shown = f"Faces were made at {made} x {made} pixels"
    moved = record.plan.spec.treatment.align == "eyes"
    scale = f"; with the alignment, enlargement is {record.span('enlargement', 2)}" if moved else ""
    if size == made:
        return f"{shown}, the size of the images{scale}."
    factor = float(size) / float(made)
    if factor < 1:
        return f"{shown} and reduced to {size} x {size}{scale}."
    return (
        f"{shown} and enlarged {factor:.3g} times to {size} x {size}, which adds no detail{scale}."
    )


def _origin(record: Record) -> str:
    return (
        "No person was photographed: each identity is drawn at random by a seed. On the model: "
        f"{record.origin.note} The renders are of ICT-FaceKit, a public 3D face model (Li et al., "
        f"2020). {_seeds(record)}"
    )


def _seeds(record: Record) -> str:
    """Which images share a scene."""
    seeds = {stimulus.recipe.seed for stimulus in record.plan.stimuli}
    what = "seed of the scene" if record.origin.scene else "noise seed"
    keeps = "so that each identity keeps its hair, light and background"
    if len(seeds) == 1:
        shared = f"All images share the {what} {seeds.pop()}, {keeps}."
    else:
        shared = f"The images of each identity share a {what} of that identity's own, {keeps}."
    return " ".join(filter(None, (shared, _scene(record.plan.stimuli[0].recipe.scene))))


def _scene(scene: SceneOptions | None) -> str:
    """What was asked of the scene of all images; empty where the seed drew all of it."""
    given = {} if scene is None else scene.model_dump(exclude_none=True)
    if not given:
        return ""
    told = (f"{_SCENE_NAMES[name]} {_told(name, value)}" for name, value in given.items())
    return f"Set for all images: {', '.join(told)}; the seed drew the rest of the scene."


def _told(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g} degrees"
    return _FRAMINGS[value] if name == "framing" else str(value)


_FRAMINGS = {"face": "the face", "head": "the whole head", "eyes": "the face, by its eyes"}
_SCENE_NAMES = {
    "yaw": "turn of the head to the subject's left",
    "pitch": "turn upwards",
    "roll": "tilt",
    "gaze_yaw": "gaze against the camera to the subject's left",
    "gaze_pitch": "gaze upwards",
    "light": "light",
    "light_side": "light from the subject's",
    "background": "background",
    "framing": "framing",
    "glasses": "glasses",
    "hair": "hair",
    "beard": "beard",
}


def _people(record: Record) -> str:
    """How many identities have each apparent sex, age and skin tone; empty where none is known."""
    known = {row["subject"]: row for row in record.rows}.values()
    told = []
    for column in demographics.COLUMNS:
        counts = Counter(str(row[column]) for row in known if column in row)
        if counts:
            listed = ", ".join(f"{value} {count}" for value, count in counts.most_common())
            told.append(f"{column.replace('_', ' ')}: {listed}")
    return f"Identities by what they suggest: {'; '.join(told)}." if told else ""


def _shown(record: Record) -> str:
    spec = record.plan.spec
    shown = "; ".join(f"{name} ({format_facs(apex)})" for name, apex in spec.apexes.items())
    steps = ", ".join(map(str, spec.percents))
    return (
        "Each identity was shown neutral and with the following action units of the Facial Action "
        f"Coding System (FACS; Ekman, Friesen, & Hager, 2002) at their apex: {shown}. Intensities "
        f"are {steps} % of the apex, linear on FACS's scale from 0 (absent) to 5 (E)."
    )


def _framed(record: Record) -> str:
    treatment = record.plan.spec.treatment
    known = (
        "The places of the eyes on each identity's neutral image are those of the 3D model, "
        if record.origin.located
        else "The eyes were found on each identity's neutral image (MediaPipe; Kartynnik et al., "
        "2019), "
    )
    eyes = (
        f"{known}and all images of that identity were rotated, scaled and shifted alike, so that "
        f"they lie level at {record.span('eye_left_x')}% and {record.span('eye_right_x')}% of "
        f"the width and {record.span('eye_y')}% of the height, the same for everybody "
        f"(tilt before: {record.span('eye_tilt')} degrees)."
    )
    fill = f"The background is plain (RGB {treatment.fill})." if treatment.fill else ""
    aligned = eyes if treatment.align == "eyes" else "Images were not aligned further."
    return " ".join(part for part in (aligned, _CROPS[treatment.crop], fill) if part)


def _matched(record: Record) -> str:
    treatment = record.plan.spec.treatment
    if treatment.match == "none":
        return (
            "Luminance was not matched: inside the face's oval, means run from "
            f"{record.span('luminance_mean_after')} and standard deviations from "
            f"{record.span('luminance_sd_after')} (grey levels 0-255)."
        )
    how = _LIKE_SHINE[treatment.match].format(_whose(record))
    ran = (
        f"Before, means ran from {record.span('luminance_mean_before')} and standard deviations "
        f"from {record.span('luminance_sd_before')} (grey levels 0-255, inside the face's oval); "
        f"after, from {record.span('luminance_mean_after')} and "
        f"{record.span('luminance_sd_after')}."
    )
    whole = "The whole picture was changed alike, hair and background included."
    return f"{how} {whole} {ran} {_skin(record)}"


_LIKE_SHINE = {
    "mean_sd": "Mean and standard deviation of luminance inside the face's oval were set to {}, "
    f"each within {TOLERANCE:.1%}, in the manner of lumMatch of the SHINE toolbox (Willenbockel et "
    "al., 2010).",
    "histogram": "The luminance histogram inside the face's oval was set to {} in the manner of "
    "histMatch of the SHINE toolbox (Willenbockel et al., 2010).",
}


def _whose(record: Record) -> str:
    """Whose average the images were matched to, in words."""
    treatment = record.plan.spec.treatment
    if treatment.match_over == "person":
        return "the average of the same identity's images"
    (target,) = {goal.target for goal in record.goals.values()}
    given = "the average of the set" if treatment.target is None else "a given target"
    return given if target is None else f"{given} ({target.mean:.1f} and {target.sd:.1f})"


def _skin(record: Record) -> str:
    """What matching did to how light people's skin looks, said loudly where it did anything."""
    change = record.largest_change
    if record.plan.spec.treatment.match_over == "person":
        return (
            "Matching was within each identity, so that nobody's skin was made lighter or darker "
            f"(largest change of an identity's mean luminance: {change})."
        )
    return (
        "**Matching was across identities and changes how light their skin looks: dark skin is "
        "made lighter and greyer, light skin darker. The largest change of an identity's mean "
        f"luminance is that of {change}. Skin tone is not preserved in this set.**"
    )


def _read(record: Record) -> str:
    row = record.rows[0]
    readers = []
    if row["au_reader"]:
        readers.append(f"action units by a network that took no part in it ({row['au_reader']})")
    if row["label_reader"]:
        readers.append(f"the expression by FERAnno ({row['label_reader']})")
    if not readers:
        return ""
    return (
        f"What each image shows was also read off it before treatment: {' and '.join(readers)}. "
        "Both were trained on renders; no human coder or rater has validated the images."
        f"{_as_asked(record)}"
    )


def _as_asked(record: Record) -> str:
    """How often readers read what was asked for, at the strongest intensity."""
    told = ", ".join(
        f"{TITLES[name]} {share:.0%}" for name, share in confusion.shares(record.rows).items()
    )
    return (
        f" At the strongest intensity expressions were read as asked for by {told}." if told else ""
    )


def _same_person(record: Record) -> str:
    if not record.values("identity_similarity"):
        return "Identity similarity was not measured."
    told = (
        "Similarity of each image to its identity's neutral image (cosine of identity codes) runs "
        f"from {record.span('identity_similarity', 2)}"
    )
    if not record.values("identity_drift"):
        return f"{told}; there is no threshold for it."
    threshold = record.span("identity_threshold", 2)
    return f"{told}; {len(record.flagged)} images lie below the threshold of {threshold}."


def datasheet(record: Record) -> str:
    """The data sheet, as Markdown."""
    about = record.plan.spec.about
    parts = {
        "Motivation": about.purpose or "Not stated.",
        "Composition": _composition(record),
        "How the faces came about": f"{_origin(record)} {_likeness()}",
        "Labels": _labels(),
        "What readers see": " ".join(confusion.notes(record)) or "Nobody read the images.",
        "Treatment": f"{_sizes(record)} {_framed(record)} {_matched(record)}",
        "Identity": " ".join(part for part in (_same_person(record), record.note) if part),
        "Images flagged for drift": _listed(record.flagged)
        if record.values("identity_drift")
        else "Not measured.",
        "Images that could not be made": _listed(
            [f"{f.stimulus.file}: {f.error}" for f in record.failures]
        ),
        "Uses": _uses(),
        "Licence": _licence(record),
        "Making it again": _again(record),
        "Files": _files(),
    }
    by = f"\n{about.authors}\n" if about.authors else ""
    body = "\n".join(f"\n## {title}\n\n{text}" for title, text in parts.items())
    return f"# Data sheet: {about.title}\n{by}{body}\n"


def _composition(record: Record) -> str:
    seeds = list(dict.fromkeys(str(row["identity_seed"]) for row in record.rows))
    return (
        f"{_incomplete(record)} {len(record.rows):,} images of {len(seeds)} identities "
        f"(seeds {', '.join(seeds)}). "
        f"{_people(record)} {_shown(record)}"
    )


def _likeness() -> str:
    return (
        "The identities are random points of a statistical face model, not copies of a person; a "
        "likeness to somebody would be chance. Apparent age, sex and ancestry are impressions of "
        "a random draw and no facts about anybody."
    )


def _labels() -> str:
    return (
        f"What was asked for (`facs`, `aus`, `expression`, `intensity` in {FILE}) and what was "
        "measured (`measured_...`, `p_...`) are given apart: what was asked for is a setting, not "
        "proof of what an observer sees. Validate the images with raters before relying on them."
    )


def _uses() -> str:
    return (
        "Meant for research on the perception of facial expressions and for training and testing "
        "recognisers. Not for judging real people. Say to participants that the faces are "
        "synthetic where the design allows it."
    )


def _licence(record: Record) -> str:
    return (
        f"{record.plan.spec.about.licence}. SynFER Studio and its weights are under Apache-2.0; "
        "the face model behind the renders, ICT-FaceKit (USC Institute for Creative Technologies), "
        "is under the MIT licence. No person's image rights are touched, as no person is shown."
    )


def _again(record: Record) -> str:
    return (
        f"`synfer stimuli --from-csv {FILE} --out remade` makes every image again from the table "
        "alone and compares the SHA-256 of its pixels; it needs SynFER Studio "
        f"{version('synfer-studio')} with the same libraries, the same model, and the same type of "
        "processor with as many threads."
    )


def _listed(items: list[str] | tuple[str, ...]) -> str:
    return "\n".join(f"- {item}" for item in items) or "None."


def _files() -> str:
    files = {
        f"{IMAGES}/": "the images, PNG; each carries the recipe of the face before treatment",
        FILE: "one row an image, columns below",
        CONDITIONS: "conditions file for PsychoPy",
        PRELOAD: "parameters of a preload trial of jsPsych",
        confusion.CSV: "what readers read against what was asked for, by intensity; counts",
        confusion.PICTURE: "the same as a picture",
        METHODS: "a methods paragraph",
        "contact_sheet.jpg": "all images at a glance",
        "specification.json": "the specification; `synfer stimuli specification.json`",
    }
    rows = "\n".join(f"| `{name}` | {what} |" for name, what in files.items())
    columns = "\n".join(f"| `{name}` | {what} |" for name, what in _columns())
    return (
        f"| file | what |\n| --- | --- |\n{rows}\n\n"
        f"Columns of {FILE}:\n\n| column | what |\n| --- | --- |\n{columns}"
    )


def _columns() -> Iterator[tuple[str, str]]:
    """Columns and what they hold, those of one kind on one line."""
    kinds: dict[str, list[str]] = {}
    for name, what in COLUMNS.items():
        kinds.setdefault(what, []).append(name)
    for what, names in kinds.items():
        yield (names[0] if len(names) == 1 else f"{names[0]}` ... `{names[-1]}"), what
