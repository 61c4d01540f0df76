"""The specification of a stimulus set: YAML or JSON in, unknown keys refused."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synfer_core.errors import RequestError
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.demographics import (
    Factor,
    balanced,
    factor_values,
    factors_as_mapping,
)
from synfer_core.facs import MAX_INTENSITY, PROTOTYPES, Expression, canonical_key, parse_facs
from synfer_core.files import read_text_bytes
from synfer_core.request import BACKGROUND_KINDS, TRANSPARENT, Recipe, Seed, Text, place_of
from synfer_core.values import Flag, Numeric
from synfer_core.yaml_text import read_yaml

MAX_IMAGES = 10_000
TEMPLATE = "{subject:03d}_{expression}_{intensity:03d}_{view}.png"
GREY = 128
"""Background of a cropped face where the specification names none."""

SET_BY_PLAN = (
    *("aus", "facs", "expression", "identity_seed", "identity_code", "identity_image"),
    *("reference", "enriched_text"),
)
"""Recipe fields that say what one image shows: the plan fills them in, or leaves them out."""

_READ_AS_NOTHING = frozenset({"na", "nan", "null", "none", "true", "false"})
"""Words that programs that read tables take for an empty or a logical cell."""

BALANCED_BY: tuple[Factor, ...] = ("sex", "age", "skin_tone")
"""Factors in which the people of a set can be balanced: those that no hair or beard decides."""

USUAL: Mapping[Factor, tuple[str, ...]] = MappingProxyType(
    {"skin_tone": ("fair", "light-medium", "brown", "deep brown")}
)
"""Values of a factor that is named without any: of ten skin tones four, evenly apart."""

Slug = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,31}$")]
Level = Annotated[int, Field(ge=0, le=255, strict=True)]
Align = Literal["eyes", "none"]
Crop = Literal["none", "oval", "hair"]
Match = Literal["none", "mean_sd", "histogram"]
MatchOver = Literal["person", "set"]
_STEPS = (1, 2, 4, 5, 10, 20, 25, 50, 100)


class Part(Numeric):
    """A part of a specification: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Specification(Part):
    """What a YAML or JSON file asks for."""

    NAME: ClassVar[str] = "SPEC"
    """What errors about the whole call it."""

    @classmethod
    def parse(cls, data: object) -> Self:
        """A specification from a mapping.

        Raises:
            RequestError: Names the first field that is wrong and what is allowed there.
        """
        if not isinstance(data, Mapping):
            raise RequestError("a specification is a mapping of fields", field=cls.NAME)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise refusal(error, cls) from error

    @classmethod
    def parse_text(cls, data: bytes) -> Self:
        """A specification from YAML or JSON.

        Raises:
            RequestError: It is neither, repeats a key, or is no specification.
        """
        return cls.parse(read_yaml(data, cls.NAME, cls.model_fields))

    @classmethod
    def mapping(cls, data: bytes) -> dict[str, Any]:
        """The fields of a YAML or JSON text as they stand there, not checked.

        Raises:
            RequestError: It is neither, repeats a key, or is no mapping.
        """
        fields = read_yaml(data, cls.NAME, cls.model_fields)
        if not isinstance(fields, dict):
            raise RequestError("a specification is a mapping of fields", field=cls.NAME)
        return fields

    @classmethod
    def load(cls, path: Path) -> Self:
        """A specification from a YAML or JSON file.

        Raises:
            RequestError: It cannot be read, repeats a key, or is no specification.
        """
        return cls.parse_text(read_text_bytes(path, cls.NAME))


class Person(Part):
    """One identity: the seed that draws the person, and words on that person beside the shared."""

    seed: Seed
    text: Text = ""


class Balanced(Part):
    """People who are found for a set, apparent sex, age and skin tone equally often.

    Attributes:
        count: How many.
        balance: By factor of `BALANCED_BY` the values; in a file also a list of factors, which
            take their `USUAL` values, or all of `demographics.FACTORS`.
        first_seed: The identity seed that the search begins at.
    """

    count: Annotated[int, Field(ge=1, le=MAX_IMAGES, strict=True)]
    balance: Mapping[Factor, tuple[str, ...]] = Field(min_length=1)
    first_seed: Seed = 1

    @field_validator("balance", mode="before")
    @classmethod
    def _usual(cls, value: object) -> object:
        value = factors_as_mapping(value, "identities.balance")
        if not isinstance(value, Mapping):
            return value
        for factor in value:
            if factor not in BALANCED_BY:
                allowed = ", ".join(BALANCED_BY)
                field = f"identities.balance.{factor}"
                raise RequestError("is no factor here", field=field, allowed=allowed)
        return {k: factor_values(k, v, USUAL, "identities.balance") for k, v in value.items()}

    @classmethod
    def parse(cls, fields: Mapping[str, Any], most: int = MAX_IMAGES) -> Self:
        """People from a mapping.

        Args:
            fields: By name.
            most: People at most.

        Raises:
            RequestError: Names the first field that is wrong, from ``identities`` on.
        """
        try:
            people = cls.model_validate(fields)
        except ValidationError as error:
            told = refusal(error, cls)
            where = "identities" if told.field == Specification.NAME else f"identities.{told.field}"
            raise RequestError(told.message, field=where, allowed=told.allowed) from error
        if people.count > most:
            allowed = f"1 to {most:,}"
            raise RequestError(
                f"{people.count:,} people", field="identities.count", allowed=allowed
            )
        return people

    @property
    def seeds(self) -> tuple[int, ...]:
        """Their identity seeds.

        Raises:
            RequestError: There are too few such people; see `demographics.balanced`.
        """
        return balanced(self.balance, self.count, self.first_seed, "identities.balance")


class Target(Part):
    """Mean and standard deviation of luminance to match to, grey levels 0-255."""

    mean: float = Field(ge=5.0, le=250.0)
    sd: float = Field(ge=5.0, le=127.0)


class Treatment(Part):
    """What is done to each image after it was made.

    Attributes:
        align: ``eyes``: the eyes of each person's neutral image are known to the backbone or found
            by MediaPipe, and all images of that person are moved so that these eyes lie level and
            in fixed places; ``none``: nothing is moved, and the eyes lie about where the
            backbone's crop has them.
        size: Pixels on a side of the written image; None keeps the size it was made at.
        crop: ``oval`` shows the face without hair, in one outline for all; ``hair`` the head as
            its neutral image has it, without neck and shoulders.
        background: A grey level, or three levels (red, green, blue); behind the crop, or without a
            crop behind the person. None leaves the background, and is grey behind a crop.
        greyscale: Written as greyscale PNG (Rec. 601 luma).
        match: ``mean_sd`` or ``histogram``; see `luminance` and `histogram`.
        match_over: ``person`` matches each person's images to that person's own average, so that
            nobody's skin changes; ``set`` matches all to the average of the set, as SHINE does,
            which makes dark skin lighter and light skin darker.
        target: Of ``mean_sd`` over the set; None takes the average.
    """

    align: Align = "eyes"
    size: int | None = Field(None, ge=64, le=1024, strict=True)
    crop: Crop = "none"
    background: Level | tuple[Level, Level, Level] | None = None
    greyscale: Flag = False
    match: Match = "none"
    match_over: MatchOver = "person"
    target: Target | None = None

    @model_validator(mode="after")
    def _check_match(self) -> Self:
        if self.match == "histogram" and not (self.greyscale and self.crop == "oval"):
            raise RequestError(
                "only grey pixels in one outline have histograms that can be made equal",
                field="treatment.match",
                allowed="histogram with greyscale: true and crop: oval",
            )
        if self.target is not None and self.match != "mean_sd":
            raise RequestError(
                "is not used", field="treatment.target", allowed="only with match: mean_sd"
            )
        if self.target is not None and self.match_over == "person":
            raise RequestError(
                "one target for everyone changes how light people's skin is",
                field="treatment.target",
                allowed="only with match_over: set",
            )
        return self

    @property
    def fill(self) -> tuple[int, int, int] | None:
        """Colour behind the person; None where the background stays."""
        value = self.background
        if value is None:
            return None if self.crop == "none" else (GREY, GREY, GREY)
        return (value, value, value) if isinstance(value, int) else value


class Files(Part):
    """How image files are called; the fields of a template are in `names.FIELDS`."""

    template: str = Field(TEMPLATE, min_length=1, max_length=200)
    view: Slug = "front"


class About(Part):
    """What the methods paragraph and the data sheet say of the set."""

    title: str = Field("Untitled stimulus set", min_length=1, max_length=200)
    authors: str = Field("", max_length=500)
    purpose: str = Field("", max_length=2000)
    licence: str = Field("Apache-2.0", min_length=1, max_length=200)


class StimulusSet(Specification):
    """A set of stimuli: people by expressions by intensities, and a neutral image of each person.

    Attributes:
        identities: People, as seeds or as `Person`; a number N is the seeds 1 to N, and the fields
            of `Balanced` are the people that it finds.
        expressions: Prototypes of `facs.PROTOTYPES`, without ``neutral``, which is always there.
        action_units: Single units as keys, such as ``AU12`` or ``AUL4``; 5 at 100 %.
        mixes: Own expressions: a name and its FACS string at 100 %.
        step: Width of the intensity steps in per cent; they end at 100.
        intensities: The steps themselves, in place of `step`.
        recipe: Recipe fields that all images share; not `SET_BY_PLAN`.
        same_scene: All people stand in the scene that the recipe's seed draws: pose, gaze, light,
            camera, background and clothes. Without, each person has a scene of their own, the same
            in all their images.
        treatment: What is done to the images.
        files: How they are called.
        about: For the data sheet.
        drift_threshold: Identity similarity below which an image is flagged, -1 to 1; None takes
            the threshold that was measured with the identity reader.
    """

    version: Literal[1] = 1
    identities: tuple[Person, ...] = Field(min_length=1)
    expressions: tuple[Expression, ...] = ()
    action_units: tuple[str, ...] = ()
    mixes: Mapping[Slug, str] = Field(default_factory=dict)
    step: int = 10
    intensities: tuple[Annotated[int, Field(ge=1, le=100, strict=True)], ...] | None = None
    recipe: Mapping[str, Any] = Field(default_factory=dict)
    same_scene: Flag = True
    treatment: Treatment = Treatment()
    files: Files = Files()
    about: About = About()
    drift_threshold: float | None = Field(None, ge=-1.0, le=1.0)

    @model_validator(mode="before")
    @classmethod
    def _few(cls, data: Any) -> Any:
        """Count before anything is built: a line of a file can ask for a great many images."""
        if isinstance(data, Mapping):
            _check_count(_numbers(data))
        return data

    @model_validator(mode="before")
    @classmethod
    def _words_leave_balance(cls, data: Any) -> Any:
        """Shared words that name a factor would give it to everybody."""
        fields = data if isinstance(data, Mapping) else {}
        people, recipe = fields.get("identities"), fields.get("recipe")
        text = recipe.get("text") if isinstance(recipe, Mapping) else None
        if not isinstance(people, Mapping) or not isinstance(text, str):
            return data
        named = {"skin_tone" if k == "skin_word" else k for k in attributes_in(text)}
        for factor in people.get("balance") or ():
            if factor in named:
                raise RequestError(
                    f"names {factor}, in which the people are balanced",
                    field="recipe.text",
                    allowed=f"words that leave {factor} open",
                )
        return data

    @field_validator("identities", mode="before")
    @classmethod
    def _people(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= MAX_IMAGES:
                allowed = f"1 to {MAX_IMAGES:,}, or a list of seeds"
                raise RequestError(f"{value} people", field="identities", allowed=allowed)
            value = range(1, value + 1)
        if isinstance(value, Mapping):
            value = Balanced.parse(value).seeds
        if isinstance(value, list | tuple | range):
            return [
                item if isinstance(item, Mapping | Person) else {"seed": item} for item in value
            ]
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_unique((person.seed for person in self.identities), "identities")
        _check_shown(self)
        _check_steps(self)
        _check_shared(self.recipe)
        _check_count(self.count)
        return self

    @property
    def count(self) -> int:
        """Images of the set."""
        shown = len(self.expressions) + len(self.action_units) + len(self.mixes)
        return len(self.identities) * (1 + shown * len(self.percents))

    @property
    def percents(self) -> tuple[int, ...]:
        """Intensities in per cent, without 0."""
        return self.intensities or tuple(range(self.step, 101, self.step))

    @property
    def apexes(self) -> dict[str, dict[str, float]]:
        """AUs at 100 % (0-5) by name, in order: expressions, units, mixes."""
        keys = map(canonical_key, self.action_units)
        shown: dict[str, dict[str, float]] = {n: dict(PROTOTYPES[n]) for n in self.expressions}
        shown |= {key: {key: MAX_INTENSITY} for key in keys}
        return shown | {name: parse_facs(facs) for name, facs in self.mixes.items()}


def _numbers(fields: Mapping[str, Any]) -> int:
    """Images that fields ask for, as far as they can be counted without being read."""

    def size(name: str) -> int:
        value = fields.get(name)
        return len(value) if isinstance(value, list | tuple | Mapping) else 0

    people, step = fields.get("identities"), fields.get("step", 10)
    many = max(1, size("identities")) if isinstance(people, list | tuple) else 1
    steps = size("intensities") or (100 // step if step in _STEPS else 1)
    return many * (1 + (size("expressions") + size("action_units") + size("mixes")) * steps)


def _check_count(count: int) -> None:
    if count > MAX_IMAGES:
        allowed = f"at most {MAX_IMAGES:,} images"
        raise RequestError(f"{count:,} images", field="identities", allowed=allowed)


def check_unique(values: Iterable[Hashable], field: str) -> None:
    """Refuse a value that comes twice.

    Raises:
        RequestError: Names `field`.
    """
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise RequestError(f"{value} comes twice", field=field, allowed="each once")
        seen.add(value)


def _check_shown(spec: StimulusSet) -> None:
    if "neutral" in spec.expressions:
        raise RequestError(
            "neutral is made for every person anyway",
            field="expressions",
            allowed="the other seven",
        )
    check_unique(list(spec.expressions), "expressions")
    with _named("action_units"):
        check_unique([canonical_key(key) for key in spec.action_units], "action_units")
    for name, facs in spec.mixes.items():
        with _named(f"mixes.{name}"):
            if not parse_facs(facs):
                raise RequestError("moves nothing", allowed="such as 6C+12D")
    if _READ_AS_NOTHING & {name.lower() for name in spec.mixes}:
        raise RequestError("is no name that tables keep", field="mixes", allowed="another name")
    names = [*spec.expressions, *map(canonical_key, spec.action_units), *spec.mixes, "neutral"]
    check_unique([name.lower() for name in names], "mixes")
    if len(names) == 1:
        raise RequestError(
            "nothing to show", field="expressions", allowed="expressions, action_units or mixes"
        )


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Errors about AUs name a recipe's field: here they are about a field of the specification."""
    try:
        yield
    except RequestError as error:
        where = f"{error.field}: " if error.field and error.field != field else ""
        raise type(error)(where + error.message, field=field, allowed=error.allowed) from error


def _check_steps(spec: StimulusSet) -> None:
    if spec.step not in _STEPS:
        raise RequestError(
            f"{spec.step} does not divide 100", field="step", allowed=", ".join(map(str, _STEPS))
        )
    if spec.intensities is None:
        return
    if "step" in spec.model_fields_set or not spec.intensities:
        allowed = "either step, or a list of intensities"
        raise RequestError("give the steps once", field="intensities", allowed=allowed)
    check_unique(list(spec.intensities), "intensities")


def _check_shared(recipe: Mapping[str, Any]) -> None:
    for name in recipe:
        if name in SET_BY_PLAN:
            raise RequestError(
                "the plan fills this in for each image",
                field=f"recipe.{name}",
                allowed=", ".join(sorted(set(Recipe.model_fields) - set(SET_BY_PLAN))),
            )
    try:
        check_opaque(Recipe.parse(recipe))
    except RequestError as error:
        field = f"recipe.{error.field}"
        raise RequestError(error.message, field=field, allowed=error.allowed) from error


def check_opaque(recipe: Recipe) -> None:
    """Refuse a see-through background for images that are treated or set in motion.

    Raises:
        RequestError: The recipe's scene has one.
    """
    if recipe.scene is not None and recipe.scene.background == TRANSPARENT:
        raise RequestError(
            "these images have no alpha",
            field="scene.background",
            allowed=f"{', '.join(BACKGROUND_KINDS)}, or a colour as #rrggbb",
        )


def refusal(error: ValidationError, model: type[BaseModel]) -> RequestError:
    """Pydantic's first complaint as ours, naming the field from the top."""
    first = error.errors(include_url=False)[0]
    field = place_of(first["loc"]) or "SPEC"
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_fields_at(model, first["loc"][:-1]))
        return RequestError("unknown key", field=field, allowed=allowed or None)
    return RequestError(first["msg"], field=field)


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Fields of the part of a specification that a complaint is about."""
    for step in place:
        known = model.model_fields.get(str(step))
        model = (known and _part_of(known.annotation)) or model
    return sorted(model.model_fields)


def _part_of(annotation: Any) -> type[BaseModel] | None:
    """The part that a field holds: alone, in a list or in a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_part_of, get_args(annotation))), None)
