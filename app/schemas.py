"""What pages send and get: untrusted dictionaries in, typed values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synfer_core import editing
from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facs import parse_facs, validate_aus
from synfer_core.models.backbone import Capabilities
from synfer_core.provenance.marking import Marking
from synfer_core.request import USUAL_IDENTITY_SCALE, USUAL_VARIATION, Recipe, SemanticOptions

CARRIED = ("identity_code", "reference_aus")
"""Recipe fields that have no control on the page: a loaded recipe carries them along."""

EDITING = {"inversion_depth": editing.DEPTH, "keep": 1.0}
"""Recipe fields that count with a reference only, and what they are where a recipe is silent."""
PICTURES = {"reference": EDITING, "identity_image": {"identity_scale": USUAL_IDENTITY_SCALE}}
"""Recipe fields that hold a picture, with those that count with it only, like `EDITING`."""

_SEEDS = ("seed", "identity_seed")
_NEEDS = {
    "text": ("text", "enriched_text", "negative_text"),
    "identity": ("identity_seed", "identity_code"),
    "identity_image": ("identity_image", "identity_scale"),
    "guidance": ("guidance", "au_scale"),
    "steps": ("steps", "scheduler"),
    "variation": ("variation",),
    "semantic": ("guidance.semantic", "semantic"),
    "editing": ("reference", *EDITING),
    "holding": ("keep",),
    "scene": ("scene",),
}
_WHEN = set(SemanticOptions.model_fields) - {"classifier", "acts_on"}
"""Options of semantic guidance that have no control on the page; carried like `CARRIED`."""
_PAGE_ONLY = ("compare", "semantic_when", "watermark", "visible_label", "turn", "refines")
"""What the form holds beside a recipe's fields."""


@dataclass(frozen=True)
class Forms:
    """The values of the page's two forms: `panel` (what the face does), `controls` (the rest)."""

    panel: dict[str, Any]
    controls: dict[str, Any]


def reasons(backbone: Capabilities) -> dict[str, str]:
    """By recipe field, why this backbone cannot use it, where it says so itself."""
    lacking = {need: why for need, why in backbone.reasons.items() if need in _NEEDS}
    return {field: why for need, why in lacking.items() for field in _NEEDS[need]}


def unsupported_fields(backbone: Capabilities) -> frozenset[str]:
    """Recipe fields that this backbone cannot use, such as the text where it reads no words."""
    lacking = (need for need in _NEEDS if not getattr(backbone, need))
    return frozenset(field for need in lacking for field in _NEEDS[need])


def page_recipe(panel: object, controls: object, backbones: Mapping[str, Capabilities]) -> Recipe:
    """The recipe that the page's two forms describe.

    Controls that are greyed out for the chosen backbone do not count.

    Raises:
        RequestError: Names the first field that is wrong and what is allowed there.
    """
    if not isinstance(panel, Mapping) or not isinstance(controls, Mapping):
        raise RequestError("the page sent no settings; reload it", field="recipe")
    data = {**controls, **_units(panel), "expression": panel.get("expression") or None}
    data |= {name: _seed(name, data.get(name)) for name in _SEEDS}
    data = {name: value for name, value in data.items() if value is not None}
    backbone = _backbone(data.get("backbone"), backbones)
    fields = _recipe_fields(data, unsupported_fields(backbone))
    recipe = Recipe.parse(fields)
    kept = {key: value for key, value in recipe.aus.items() if backbone.moves(key)}
    return recipe if len(kept) == len(recipe.aus) else Recipe.parse(fields | {"aus": kept})


def wants_comparison(controls: object) -> bool:
    """Whether the page asks for the face without guidance too."""
    return isinstance(controls, Mapping) and controls.get("compare") is True


def turn_of(controls: object) -> int:
    """The page's count of slider values, by which it knows drafts apart; 0 where it keeps none."""
    turn = controls.get("turn") if isinstance(controls, Mapping) else None
    return turn if isinstance(turn, int) and not isinstance(turn, bool) else 0


def refines(controls: object) -> bool:
    """Whether the page shows a draft of the face it asks for."""
    return isinstance(controls, Mapping) and controls.get("refines") is True


def wanted_marking(controls: object, usual: Marking) -> Marking:
    """What the page asks to be put onto the picture; the usual where it does not say."""
    given = controls if isinstance(controls, Mapping) else {}
    watermark, label = given.get("watermark"), given.get("visible_label")
    return Marking(
        watermark=watermark if isinstance(watermark, bool) else usual.watermark,
        label=label if isinstance(label, bool) else usual.label,
    )


def forms_of(recipe: Recipe) -> Forms:
    """The page's two forms set to a recipe; `page_recipe` gives an equal recipe back."""
    panel = {"aus": recipe.action_units, "facs": None, "expression": recipe.expression}
    controls: dict[str, Any] = {
        "backbone": recipe.backbone,
        "text": recipe.text,
        "enriched_text": recipe.enriched_text or "",
        "negative_text": recipe.negative_text,
        "guidance": recipe.guidance.model_dump(),
        "semantic": recipe.semantic.model_dump(exclude=_WHEN),
        "au_scale": recipe.au_scale,
        "scheduler": recipe.scheduler,
        "steps": recipe.steps,
        "variation": USUAL_VARIATION if recipe.variation is None else recipe.variation,
        "seed": str(recipe.seed),
        "identity_seed": "" if recipe.identity_seed is None else str(recipe.identity_seed),
    }
    if recipe.scene is not None:
        controls["scene"] = recipe.scene.model_dump(exclude_none=True)
    for picture, others in PICTURES.items():
        for name, usual in {picture: "", **others}.items():
            value = getattr(recipe, name)
            controls[name] = usual if value is None else value
    carried = {name: getattr(recipe, name) for name in ("size", *CARRIED)}
    when = recipe.semantic.model_dump(include=_WHEN)
    if when != SemanticOptions().model_dump(include=_WHEN):
        carried["semantic_when"] = when
    return Forms(panel, controls | {k: v for k, v in carried.items() if v is not None})


def _recipe_fields(data: Mapping[str, Any], lacking: frozenset[str]) -> dict[str, Any]:
    """The fields of a recipe in the form, without those that the backbone cannot use."""
    fields = {k: v for k, v in data.items() if k not in lacking and k not in _PAGE_ONLY}
    if "semantic" not in lacking and isinstance(fields.get("semantic"), Mapping):
        fields["semantic"] = {**fields["semantic"], **(data.get("semantic_when") or {})}
    if "guidance.semantic" in lacking and isinstance(fields.get("guidance"), Mapping):
        fields["guidance"] = {k: v for k, v in fields["guidance"].items() if k != "semantic"}
    if fields.get("variation") == USUAL_VARIATION:
        del fields["variation"]
    if not str(fields.get("enriched_text", "")).strip():
        fields.pop("enriched_text", None)
    if fields.get("reference"):
        fields.pop("size", None)  # an edit has the size of its face
    else:
        fields.pop("reference_aus", None)
    for picture, others in PICTURES.items():
        there = bool(fields.get(picture))
        for name, usual in {picture: "", **others}.items():
            if not there or fields.get(name) == usual:
                fields.pop(name, None)
    return fields


def _units(panel: Mapping[str, Any]) -> dict[str, Any]:
    """The AUs as keys and intensities, read from the FACS box where that was typed in last."""
    facs = panel.get("facs")
    if isinstance(facs, str):
        return {"aus": _facs(facs)}
    aus = panel.get("aus") or {}
    if not isinstance(aus, Mapping):
        raise RequestError("action units are keys and intensities", field="aus")
    if not aus and panel.get("expression") == "neutral":
        # No unit leaves the face to the words; the neutral preset asks for none of them.
        return {"facs": ""}
    return {"aus": validate_aus(aus)}


def _facs(text: str) -> dict[str, float]:
    """A FACS string whose errors stand beside the box it was typed into."""
    try:
        return parse_facs(text)
    except RequestError as error:
        raise type(error)(error.message, field="facs", allowed=error.allowed) from error


def _seed(field: str, value: object) -> int | None:
    """A seed as typed: digits as text, because a browser's numbers end at 2**53."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise RequestError("is not a whole number", field=field, allowed="0 to 2^63-1")
    return int(text)


def _backbone(name: object, backbones: Mapping[str, Capabilities]) -> Capabilities:
    if not isinstance(name, str) or name not in backbones:
        raise UnsupportedError(
            "is not available here", field="backbone", allowed=", ".join(backbones)
        )
    return backbones[name]
