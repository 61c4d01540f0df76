"""The recipe of a data set as the page has it: a text, and a form that is laid over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.paces import Paces
from app.ui.values import Value
from synfer_core.data.cost import Estimate
from synfer_core.data.plan import Plan
from synfer_core.data.progress import span
from synfer_core.data.spec import DataSet
from synfer_core.errors import RequestError
from synfer_core.faces.align import READ_SIZE
from synfer_core.models.backbone import Capabilities, sized
from synfer_core.request import Recipe
from synfer_core.text_limits import PARTS, check_yaml
from synfer_core.yaml_text import write_yaml

MAX_TEXT = 20_000
"""Letters of a recipe's text."""

TEXT: dict[str, Any] = {
    "backbone": "builtin",
    "people": {"balance": ["sex", "age", "skin_tone"]},
    "recipe": {"size": READ_SIZE},
}
"""Of the recipe of a freshly opened page; what it leaves out is as usual."""
USUAL_EACH = 25
"""Images of each expression there."""

_TABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\.csv")
_OF_SOURCE = {
    "prototypes": ("strength", "jitter"),
    "csv": ("file", "scale"),
    "uniform": ("units", "active", "intensity"),
}
"""By source of action units, its fields."""


def spec_of(text: object, most: int) -> DataSet:
    """The recipe in a text.

    Args:
        text: YAML or JSON.
        most: Images it may ask for.

    Raises:
        RequestError: It is none, asks for too much, or names a table by a path.
    """
    spec = DataSet.parse_text(_safe(text))
    asked = spec.counts if isinstance(spec.counts, int) else sum(spec.counts.values())
    if asked > most:
        allowed = f"at most {most:,} here; synfer data build takes more"
        raise RequestError(f"{asked:,} images", field="counts", allowed=allowed)
    if spec.aus.file is not None and not _TABLE.fullmatch(str(spec.aus.file)):
        allowed = "the name of a CSV file that is chosen on the page, without a folder"
        named = str(spec.aus.file)[:40]
        raise RequestError(f"{named!r} is not here", field="aus.file", allowed=allowed)
    return spec


def _safe(text: object) -> bytes:
    """A text that is short, so that reading it is quick.

    Raises:
        RequestError: It is not.
    """
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        allowed = f"at most {MAX_TEXT:,} letters"
        raise RequestError("is too long for a recipe", field="RECIPE", allowed=allowed)
    data = text.encode()
    check_yaml(data, "RECIPE", PARTS)
    return data


def text_of(values: Mapping[str, Any]) -> str:
    """A recipe as YAML."""
    return write_yaml(values)


def form_of(spec: DataSet) -> Value:
    """The values of the page's form for a recipe."""
    counts = _counts(spec)
    given = spec.model_dump(mode="json")
    return {
        **{name: given[name] for name in ("title", "licence", "text", "enrich", "backbone")},
        "counts": counts,
        "total": sum(counts.values()) if counts else given["counts"],
        "seed": str(spec.seed),  # as text: a browser's numbers end at 2**53
        "semantic": spec.strength,
        "size": spec.recipe.get("size"),
        "scene": spec.recipe.get("scene"),
        "aus": {**given["aus"], "file": str(spec.aus.file or "")},
        "balance": list(spec.people.balance),
        "people": spec.people.count,
        "verdicts": given["verdicts"],
        "duplicates": spec.distance is not None,
        "distance": DataSet.model_fields["distance"].default
        if spec.distance is None
        else spec.distance,
    }


def _counts(spec: DataSet) -> dict[str, int]:
    """Images by expression, where the form has a field for each."""
    if not isinstance(spec.counts, int):
        return {str(label): count for label, count in spec.counts.items()}
    if spec.aus.source != "prototypes":
        return {}
    return {str(label): count for label, count in Plan(spec, None).counts.items()}


def merged(text: object, form: object) -> str:
    """A recipe's text with what the form says laid over it; what has no field stays.

    Raises:
        RequestError: The text is no mapping, or the form is none.
    """
    known = DataSet.mapping(_safe(text))
    if not isinstance(form, Mapping):
        raise RequestError("the page sent no settings; reload it", field="counts")
    values = {**known, **{name: form[name] for name in _PLAIN if name in form}}
    values["counts"] = _asked(known.get("counts"), form)
    values["seed"] = _whole(form.get("seed"))
    values["aus"] = _aus(_part(known, "aus"), _part(form, "aus"))
    values["people"] = _people(_part(known, "people"), form)
    values["verdicts"] = {**_part(known, "verdicts"), **_filled(_part(form, "verdicts"))}
    values["distance"] = _distance(form)
    values["recipe"] = _shared(_part(known, "recipe"), form)
    return text_of({name: values[name] for name in (*_ORDER, *values) if _said(values, name)})


_PLAIN = ("title", "licence", "text", "enrich", "backbone", "semantic")
_ORDER = ("title", "counts", "seed", "backbone", "aus", "people", "text", "enrich", "semantic")


def _shared(known: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Further fields of all images, with the size and scene that are chosen, where one is."""
    own = {name: form[name] for name in ("size", "scene") if name in form}
    rest = {name: value for name, value in known.items() if name not in own}
    return {**rest, **{name: value for name, value in own.items() if value is not None}}


def _said(values: Mapping[str, Any], name: str) -> bool:
    """Whether a field is worth a line."""
    empty = values.get(name, "") in (None, "", {})
    return name in values and (not empty or name in ("counts", "distance"))


def _distance(form: Mapping[str, Any]) -> object:
    """Bits within which an image is a near-duplicate; None where none is looked for."""
    if not form.get("duplicates"):
        return None
    given = form.get("distance")
    return DataSet.model_fields["distance"].default if given is None else given


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = values.get(name)
    return part if isinstance(part, Mapping) else {}


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _whole(value: object) -> object:
    """A whole number as typed; anything else as it is, for the recipe's check to refuse."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else value


def _asked(known: object, form: Mapping[str, Any]) -> object:
    """Images by expression or in all; counts that a table's recipe has by expression stay."""
    total = form.get("total")
    if _part(form, "aus").get("source") == "prototypes":
        return {name: count for name, count in _part(form, "counts").items() if count}
    if isinstance(known, Mapping) and _part(form, "aus").get("source") == "csv":
        numbers = [count for count in known.values() if isinstance(count, int)]
        return dict(known) if sum(numbers) == total else total
    return total


def _aus(known: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """What goes with the source that is chosen, and nothing of the others."""
    source = str(form.get("source"))
    fields = _OF_SOURCE.get(source, ())
    values = {**known, **_filled(form), "source": source}
    return {name: values[name] for name in ("source", *fields) if name in values}


def _people(known: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Factors that are ticked; values that the text gives for them stay."""
    ticked = form.get("balance")
    factors = ticked if isinstance(ticked, list) else []
    if not all(isinstance(factor, str) for factor in factors):
        raise RequestError("are no names of factors", field="people.balance")
    values = _part(known, "balance")
    balance: object = factors
    if any(values.get(factor) is not None for factor in factors):
        balance = {factor: values.get(factor) for factor in factors}
    given = {**known, "balance": balance, "count": form.get("people")}
    return {name: value for name, value in given.items() if value not in (None, "", [])}


def summary(spec: DataSet, seconds: float | None) -> str:
    """How much a recipe asks for, and how long that is likely to take.

    Args:
        spec: The recipe.
        seconds: Of one image; None where that is not known.
    """
    counts = _counts(spec)
    total = spec.counts if isinstance(spec.counts, int) else sum(counts.values())
    images = f"{total:,} image{'s' * (total != 1)}"
    if counts:
        images += f" of {len(counts)} expression{'s' * (len(counts) != 1)}"
    if not seconds:
        return f"{images}; how long they take is known once this engine has made one of this size"
    estimate = Estimate.of(spec, total, seconds)
    return (
        f"{images}, {span(estimate.hours(1) * 3600)}: about {estimate.made:,.0f} to be made, "
        f"{seconds:.2g} s each"
    )


def job_of(spec: DataSet) -> Value:
    """What a recipe asks an engine for, as the page's choice of engines takes it."""
    counts = _counts(spec)
    total = spec.counts if isinstance(spec.counts, int) else sum(counts.values())
    estimate = Estimate.of(spec, total, 1.0)
    shared = Recipe.parse({**spec.recipe, "expression": "neutral"})
    return {
        "images": total,
        "passes": estimate.made * estimate.seconds / total,
        "steps": shared.steps,
        "kind": "data",
    }


def seconds_of(spec: DataSet, engines: Mapping[str, Capabilities], paces: Paces) -> float | None:
    """Seconds of one image without guidance; None where its engine has made none of that size.

    Args:
        spec: The recipe.
        engines: What each engine can do.
        paces: What images took here.
    """
    engine = engines.get(spec.backbone)
    if engine is None:
        return None
    shared = sized(Recipe.parse({**spec.recipe, "expression": "neutral"}), engine, READ_SIZE)
    pace = paces.of(engine.name, shared.size or engine.image_size)
    return pace.seconds(shared.steps, "data") if pace else None
