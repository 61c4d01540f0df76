"""The recipe: the one frozen description of an image. JSON in, JSON out, unknown keys refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from synfer_core.errors import RequestError
from synfer_core.facs import EXPRESSIONS, Expression, parse_facs, validate_aus
from synfer_core.text_limits import check_json, why_unread
from synfer_core.values import Flag, Numeric

MAX_TEXT = 2000
MAX_SEED = 2**63 - 1
SIZES = (64, 1024)
"""Pixels on a side that a recipe may ask for, least and greatest."""
USUAL_STRENGTH = 2.0
"""Of semantic guidance where it is switched on; measured by ``synfer eval semantic --tune``."""
USUAL_GUIDANCE = 1.0
"""Of words and of AUs where a recipe is silent and its backbone names none of its own: off."""
USUAL_VARIATION = 0.3
"""Share of the noise to start from where a recipe is silent: less is nearer to the mean."""
USUAL_IDENTITY_SCALE = 0.5
"""Where a recipe is silent: half way between words and picture, by IP-Adapter's documentation."""
Scheduler = Literal["ddim", "dpm++"]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]

MAX_REFERENCE_BYTES = 1 << 20
SAMPLE = "sample:"
"""Start of a reference to a built-in sample; the sample's name follows."""
PNG_DATA = "data:image/png;base64,"
"""Start of a reference that holds the picture itself."""
IDENTITIES = ("identity_seed", "identity_code", "identity_image")
"""Recipe fields that say who is shown; a recipe has one of them at most."""
LightKind = Literal[
    "soft window",
    "studio",
    "overcast",
    "warm indoor",
    "side light",
    "flat flash",
    "backlit",
    "golden hour",
]
Side = Literal["left", "right"]
Framing = Literal["face", "head", "eyes"]
Glasses = Literal["none", "thin", "thick", "round"]
BACKGROUND_KINDS = ("plain", "gradient", "blur", "wall", "bokeh")
"""Backgrounds whose colours the seed draws."""
TRANSPARENT = "transparent"
SCENE_LIMITS: Mapping[str, float] = MappingProxyType(
    {"yaw": 40.0, "pitch": 20.0, "roll": 20.0, "gaze_yaw": 25.0, "gaze_pitch": 20.0}
)
"""How far each angle of a scene goes, degrees to either side."""
EYES_TURN: Mapping[str, float] = MappingProxyType({"gaze_yaw": 45.0, "gaze_pitch": 30.0})
"""How far eyes turn in the head, degrees."""
Picture = Annotated[str, Field(max_length=len(PNG_DATA) + 4 * MAX_REFERENCE_BYTES // 3 + 4)]
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SAMPLE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


_OWN = "Left out, the backbone's own counts: guidance_text and guidance_au in /vocabulary."


class Guidance(Numeric):
    """Guidance strengths: classifier-free for text and AUs (1 is off), and semantic (0 is off).

    Attributes:
        text, au: 1 to 15; None takes the backbone's own, which a checked recipe and a result name.
        semantic: 0 to 10.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    text: float | None = Field(None, ge=1.0, le=15.0, description=_OWN)
    au: float | None = Field(None, ge=1.0, le=15.0, description=_OWN)
    semantic: float = Field(0.0, ge=0.0, le=10.0)


class SemanticOptions(Numeric):
    """How semantic guidance goes about it; see `synfer_core.semantic`.

    Attributes:
        classifier: What reads the expression: a net on the decoded image.
        acts_on: What is moved: the words, the AUs, or both.
        first, last: Shares of the way from noise to image between which steps are taken.
        every: A step is taken at every k-th denoising step between them.
        fade: Steps grow shorter as the classifier reads the expression; without, all are full.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    classifier: Literal["image"] = "image"
    acts_on: Literal["text", "aus", "both"] = "both"
    first: float = Field(0.1, ge=0.0, le=1.0)
    last: float = Field(0.7, ge=0.0, le=1.0)
    every: int = Field(2, ge=1, le=100, strict=True)
    fade: Flag = True

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.first > self.last:
            raise RequestError(
                f"ends before it starts, at {self.first}",
                field="semantic.last",
                allowed=f"{self.first} to 1",
            )
        return self


def _degrees(name: str) -> Any:
    return Field(None, ge=-SCENE_LIMITS[name], le=SCENE_LIMITS[name])


class SceneOptions(Numeric):
    """What an exact renderer takes from here instead of drawing it by the seed.

    A field that is None stays as the seed draws it, or as the person is. Setting one field never
    draws another anew.

    Attributes:
        yaw, pitch, roll: Turn of the head, degrees; positive yaw is to the subject's left, positive
            pitch upwards.
        gaze_yaw, gaze_pitch: Where the eyes look against the camera, degrees, in the same
            directions; 0 and 0 look into it, however the head is turned.
        light: Kind of light.
        light_side: The subject's side that the key light comes from.
        background: One of `BACKGROUND_KINDS`; any plain colour as ``#rrggbb``, which every pixel
            behind the person then equals; or ``transparent``.
        framing: ``face``; ``head`` for the whole head with its hair; or ``eyes`` for the face with
            everybody's eyes in the same places.
        glasses: ``none``, or their kind.
        hair: False is bald; True gives hair to a person who has none.
        beard: False is without; True gives a beard to a person who has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    yaw: float | None = _degrees("yaw")
    pitch: float | None = _degrees("pitch")
    roll: float | None = _degrees("roll")
    gaze_yaw: float | None = _degrees("gaze_yaw")
    gaze_pitch: float | None = _degrees("gaze_pitch")
    light: LightKind | None = None
    light_side: Side | None = None
    background: str | None = None
    framing: Framing | None = None
    glasses: Glasses | None = None
    hair: Flag | None = None
    beard: Flag | None = None

    @field_validator("background")
    @classmethod
    def _check_background(cls, value: str | None) -> str | None:
        if value is None or value in (*BACKGROUND_KINDS, TRANSPARENT):
            return value
        if _COLOUR.fullmatch(value.lower()):
            return value.lower()
        raise RequestError(
            f"{value[:40]!r} is no background",
            field="scene.background",
            allowed=f"{', '.join(BACKGROUND_KINDS)}, {TRANSPARENT}, or a colour as #rrggbb",
        )

    @model_validator(mode="after")
    def _check_eyes(self) -> Self:
        for name, head in (("gaze_yaw", "yaw"), ("gaze_pitch", "pitch")):
            gaze, turn = getattr(self, name), getattr(self, head) or 0.0
            if gaze is not None and abs(gaze - turn) > EYES_TURN[name]:
                reach = EYES_TURN[name]
                low, high = max(-SCENE_LIMITS[name], turn - reach), turn + reach
                raise RequestError(
                    f"eyes turn {reach:g} degrees in the head at most",
                    field=f"scene.{name}",
                    allowed=f"{low:g} to {min(SCENE_LIMITS[name], high):g} with {head} {turn:g}",
                )
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields that say something."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def colour(self) -> tuple[int, int, int] | None:
        """The plain colour of the background, 0-255; None where it has none."""
        if self.background is None or not self.background.startswith("#"):
            return None
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue


class Recipe(Numeric):
    """What to make. Equal recipes give equal pixels on one machine type and lock file.

    Attributes:
        text: What the words say, at most 2,000 characters; may be empty.
        enriched_text: Words that steer in place of `text` and of the class phrase (`enrichment`).
        aus: Action units, 0-5, such as ``{"AU12": 4.0, "AUL2": 1.5}``.
        facs: The same as a FACS string, in place of `aus`.
        expression: Adds a class phrase to the text and is the target of calibration; sets no AU.
        guidance: Strengths of classifier-free and of semantic guidance; the latter moves the face
            towards `expression`.
        semantic: How semantic guidance goes about it.
        au_scale: Scale of what AUs do: 0 (off) to 2.
        variation: Share of the noise to start from, 0 (the likeliest face) to 1 (as varied as faces
            are); None takes `USUAL_VARIATION`.
        identity_seed: Draws the person; the same seed is the same person in every expression.
        identity_code: The person as numbers, in place of `identity_seed`.
        identity_image: The person as a picture, in place of both, for backbones that have an
            IP-Adapter: ``sample:NAME``, or a square face as ``data:image/png;base64,...``, at most
            1 MiB.
        identity_scale: How much that picture counts beside the words, 0 (not at all) to 2; None
            takes `USUAL_IDENTITY_SCALE`.
        size: Pixels on a side, within `SIZES` and what the backbone can make; None takes the
            backbone's own size.
        reference: The face to edit: ``sample:NAME``, or an aligned square face of the backbone's
            size as ``data:image/png;base64,...``, at most 1 MiB. `identity_seed` and
            `identity_code` then say who it shows, where that is known.
        reference_aus: AUs that the reference shows, 0-5, where they are known, all others absent;
            None lets FERAnno, or else the model, read them off it.
        inversion_depth: Share of the way back to noise that the reference goes before it is
            denoised anew, above 0, at most 1; None takes the default of `editing`.
        keep: How firmly an edit holds what its AUs do not move (without AUs: what no AU moves), 0
            (not at all) to 1 (None).
        scene: What is not left to the seed in an exact render: pose, gaze, light, background,
            framing, glasses, hair and beard.
        weights_sha256: Filled in by the program; where given, it must match.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    backbone: str = Field("builtin", pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    text: Text = ""
    enriched_text: str | None = Field(None, pattern=r"\S", max_length=MAX_TEXT)
    negative_text: Text = ""
    aus: Mapping[str, float] = Field(default_factory=dict)
    facs: str | None = Field(None, max_length=400)
    expression: Expression | None = None
    guidance: Guidance = Guidance()
    semantic: SemanticOptions = SemanticOptions()
    au_scale: float = Field(1.0, ge=0.0, le=2.0)
    scheduler: Scheduler = "ddim"
    steps: int = Field(20, ge=1, le=100, strict=True)
    variation: float | None = Field(None, ge=0.0, le=1.0)
    seed: Seed = 0
    identity_seed: Seed | None = None
    identity_code: tuple[float, ...] | None = None
    identity_image: Picture | None = None
    identity_scale: float | None = Field(None, ge=0.0, le=2.0)
    size: int | None = Field(None, ge=SIZES[0], le=SIZES[1], strict=True)
    reference: Picture | None = None
    reference_aus: Mapping[str, float] | None = None
    inversion_depth: float | None = Field(None, gt=0.0, le=1.0)
    keep: float | None = Field(None, ge=0.0, le=1.0)
    scene: SceneOptions | None = None
    weights_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="before")
    @classmethod
    def _check_units(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        values = dict(data)
        if values.get("aus") and values.get("facs") is not None:
            raise RequestError("give AUs once", field="facs", allowed="either aus or facs")
        if isinstance(values.get("aus", {}), Mapping):
            values["aus"] = validate_aus(values.get("aus") or {})
        if isinstance(values.get("facs"), str):
            parse_facs(values["facs"])
        if isinstance(values.get("reference_aus"), Mapping):
            values["reference_aus"] = _reference_aus(values["reference_aus"])
        return values

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        given = [name for name in IDENTITIES if getattr(self, name) is not None]
        if len(given) > 1:
            raise RequestError(
                "give the person once", field=given[1], allowed=f"either {' or '.join(given)}"
            )
        if self.identity_image is not None:
            reference_bytes(self.identity_image, "identity_image")
        elif self.identity_scale is not None:
            raise RequestError(
                "is about a picture of the person",
                field="identity_scale",
                allowed="only with identity_image",
            )
        return self

    @field_validator("scene")
    @classmethod
    def _says_something(cls, scene: SceneOptions | None) -> SceneOptions | None:
        """A scene that says nothing is none: equal pictures have equal recipes."""
        return scene if scene and scene.given else None

    @property
    def words(self) -> str:
        """The words that steer: `enriched_text` where it is given, else `text`."""
        return self.text if self.enriched_text is None else self.enriched_text

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if not self.guidance.semantic:
            return self
        if self.expression is None:
            raise RequestError(
                "semantic guidance needs a target",
                field="expression",
                allowed=", ".join(EXPRESSIONS),
            )
        without_aus = not self.aus and self.facs is None
        if self.semantic.acts_on == "aus" and (without_aus or self.au_scale == 0):
            raise RequestError(
                "there are no AUs to act on",
                field="semantic.acts_on",
                allowed="text, both, or a recipe with AUs",
            )
        return self

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        if self.reference is None:
            for name in ("reference_aus", "inversion_depth", "keep"):
                if getattr(self, name) is not None:
                    allowed = "only with a reference"
                    raise RequestError("is about a reference", field=name, allowed=allowed)
            return self
        reference_bytes(self.reference)
        if self.steps < 2:
            raise RequestError("inversion needs a way back", field="steps", allowed="at least 2")
        return self

    @property
    def action_units(self) -> dict[str, float]:
        """The AUs asked for (0-5), whichever of `aus` and `facs` gave them."""
        return parse_facs(self.facs) if self.facs is not None else dict(self.aus)

    def unguided(self) -> Self:
        """The recipe with semantic guidance off; the weights' hash would name the classifier."""
        guidance = self.guidance.model_copy(update={"semantic": 0.0})
        return self.model_copy(update={"guidance": guidance, "weights_sha256": None})

    @classmethod
    def parse(cls, data: object) -> Self:
        """A recipe from a JSON object.

        Raises:
            RequestError: Names the first field that is wrong and what is allowed there.
        """
        if not isinstance(data, Mapping):
            raise RequestError("a recipe is a JSON object", field="recipe")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _translate(error) from error

    @classmethod
    def parse_json(cls, text: str | bytes) -> Self:
        """A recipe from JSON text.

        Raises:
            RequestError: The text is not JSON, is too deep, repeats a key, or is no recipe.
        """
        try:
            check_json(text, "recipe")
            data = json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"not valid JSON: {why_unread(error)}", field="recipe") from error
        return cls.parse(data)

    def to_json(self) -> str:
        """The recipe as one line of JSON; `parse_json` gives an equal recipe back."""
        return self.model_dump_json(exclude_none=True)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON keeps the last of two equal keys; a recipe must not lose the first."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise RequestError("a key comes twice", field="recipe", allowed="each key once")
    return data


def _reference_aus(aus: Mapping[str, object]) -> dict[str, float]:
    try:
        return validate_aus(aus)
    except RequestError as error:
        field = f"reference_{error.field}"
        raise type(error)(error.message, field=field, allowed=error.allowed) from error


def reference_bytes(reference: str, field: str = "reference") -> bytes | None:
    """The PNG that a reference holds; None where it names a built-in sample.

    Only the first bytes are looked at here; whoever decodes the picture checks the rest.

    Args:
        reference: As in a recipe.
        field: The recipe's field that it stands in.

    Raises:
        RequestError: It is neither a sample's name nor a PNG of at most 1 MiB in base64.
    """
    if reference.startswith(SAMPLE):
        if not _SAMPLE_NAME.fullmatch(reference.removeprefix(SAMPLE)):
            raise RequestError("is no name", field=field, allowed="sample:NAME")
        return None
    if not reference.startswith(PNG_DATA):
        raise RequestError(
            f"{reference[:20]!r} is no {field}",
            field=field,
            allowed=f"sample:NAME or {PNG_DATA}...",
        )
    try:
        data = base64.b64decode(reference.removeprefix(PNG_DATA), validate=True)
    except ValueError as error:
        raise RequestError(f"is not base64: {error}", field=field) from error
    if len(data) > MAX_REFERENCE_BYTES:
        allowed = f"at most {MAX_REFERENCE_BYTES:,} bytes"
        raise RequestError(f"has {len(data):,} bytes", field=field, allowed=allowed)
    if not data.startswith(_PNG_HEAD):
        raise RequestError("is no PNG", field=field, allowed="a PNG image")
    return data


def place_of(location: Sequence[int | str]) -> str:
    """Where pydantic found a fault, without its own names for the members of unions."""
    return ".".join(part for part in map(str, location) if not set(part) & set("[("))


def _translate(error: ValidationError) -> RequestError:
    """Pydantic's first complaint as ours."""
    first = error.errors(include_url=False)[0]
    field = place_of(first["loc"]) or "recipe"
    of_scene = len(first["loc"]) == 2 and first["loc"][0] == "scene"
    if first["type"] == "extra_forbidden":
        known = SceneOptions.model_fields if of_scene else Recipe.model_fields
        return RequestError("unknown key", field=field, allowed=", ".join(sorted(known)))
    allowed = _allowed(first.get("ctx", {}))
    if of_scene and (limit := SCENE_LIMITS.get(str(first["loc"][1]))):
        allowed = f"-{limit:g} to {limit:g}"
    if field == "size":
        allowed = f"{SIZES[0]} to {SIZES[1]}"
    return RequestError(first["msg"], field=field, allowed=allowed)


def _allowed(context: Mapping[str, Any]) -> str | None:
    words = {
        "ge": "at least",
        "gt": "above",
        "le": "at most",
        "max_length": "at most",
        "expected": "one of",
        "pattern": "text matching",
    }
    return "; ".join(f"{words[k]} {v}" for k, v in context.items() if k in words) or None
