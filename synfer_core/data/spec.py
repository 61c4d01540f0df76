"""The recipe of a data set: YAML or JSON in, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from synfer_core.errors import RequestError
from synfer_core.facekit.demographics import Factor, factor_values, factors_as_mapping
from synfer_core.facs import MAX_INTENSITY, Expression, canonical_key
from synfer_core.request import USUAL_STRENGTH, Recipe, Seed, Text
from synfer_core.stimuli.spec import Part, Specification, check_unique
from synfer_core.values import Flag

MAX_IMAGES = 100_000_000
FIRST_PERSON = 5_000_000_000
"""Identity seed of the first person: beyond those that networks and judges learned from."""

USUAL: Mapping[Factor, tuple[str, ...]] = MappingProxyType(
    {
        "hair": ("short", "curly_short", "long", "tied"),
        "hair_colour": ("black", "brown", "blonde", "grey"),
        "beard": ("none", "full beard"),
        "glasses": ("none", "thin"),
    }
)
"""Values of a factor that is named without any; all of its values where it is not here."""

SET_BY_PLAN = (
    *("backbone", "text", "aus", "facs", "expression", "seed", "identity_seed", "identity_code"),
    *("identity_image", "identity_scale"),
    *("enriched_text", "reference", "reference_aus", "inversion_depth", "keep", "weights_sha256"),
)
"""Recipe fields that images do not share, or that the data set's recipe names elsewhere."""

Share = Annotated[float, Field(ge=0.0, le=2.0)]
Intensity = Annotated[float, Field(ge=0.0, le=MAX_INTENSITY)]
Count = Annotated[int, Field(ge=1, le=MAX_IMAGES, strict=True)]


class AUs(Part):
    """Where the action units of an image come from.

    Attributes:
        source: ``prototypes``: the label's prototype (`facs.PROTOTYPES`), its strength and each AU
            varied; ``csv``: rows of a table of measured AUs; ``uniform``: some AUs at random, which
            have no label.
        strength: Of ``prototypes``: shares of the prototype's intensities between which the overall
            strength is drawn.
        jitter: Of ``prototypes``: each AU varies by this share at most.
        file: Of ``csv``: the table, one row a face; a path beside the recipe.
        scale: Of ``csv``: the greatest intensity there, 5 or 1; None takes what the table tells.
        units: Of ``uniform``: the AUs drawn from; None for all.
        active: Of ``uniform``: how many AUs move, at least and at most.
        intensity: Of ``uniform``: between which intensities, 0-5.
    """

    source: Literal["prototypes", "csv", "uniform"] = "prototypes"
    strength: tuple[Share, Share] = (0.7, 1.3)
    jitter: float = Field(0.2, ge=0.0, le=1.0)
    file: Path | None = None
    scale: Literal[1, 5] | None = None
    units: tuple[str, ...] | None = Field(None, min_length=1)
    active: tuple[Annotated[int, Field(ge=1, le=22)], Annotated[int, Field(ge=1, le=22)]] = (1, 4)
    intensity: tuple[Intensity, Intensity] = (1.0, 5.0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.file is None) == (self.source == "csv"):
            raise RequestError(
                "a table goes with source: csv", field="aus.file", allowed="both or neither"
            )
        if self.scale is not None and self.source != "csv":
            raise RequestError("is of a table", field="aus.scale", allowed="with source: csv")
        for name in ("strength", "active", "intensity"):
            low, high = getattr(self, name)
            if low > high:
                raise RequestError(
                    f"{low} is above {high}", field=f"aus.{name}", allowed="the lower first"
                )
        if self.units is not None:
            keys = list(map(canonical_key, self.units))
            check_unique(keys, "aus.units")
            if self.active[1] > len(keys):
                allowed = f"at most {len(keys)}, the units"
                raise RequestError(f"{self.active[1]} AUs", field="aus.active", allowed=allowed)
        return self


class People(Part):
    """Who is shown.

    Attributes:
        count: People in all; None shows another person on each image.
        first_seed: Identity seed of the first person; the others follow.
        balance: By factor the values that are to come equally often, in the whole set and in each
            class; in a file also a list of factors, which take their `USUAL` values. A woman has no
            beard.
    """

    count: Count | None = None
    first_seed: Seed = FIRST_PERSON
    balance: Mapping[Factor, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("balance", mode="before")
    @classmethod
    def _usual(cls, value: object) -> object:
        value = factors_as_mapping(value, "people.balance")
        if not isinstance(value, Mapping):
            return value
        return {k: factor_values(k, v, USUAL, "people.balance") for k, v in value.items()}


class Verdicts(Part):
    """What is asked about the label of each image that was made.

    Attributes:
        by: ``feranno`` alone, all ``experts`` of ``experts.json``, or ``none``.
        confirm: Of ``feranno``: a label at least so likely is confirmed.
        relabel: Of ``feranno``: another label at least so likely replaces one that is not.
        attempts: How often an image is made before it is left out, each time in other noise.
        relabelled: What becomes of a replaced label: kept as the new one, or rejected.
    """

    by: Literal["none", "feranno", "experts"] = "feranno"
    confirm: float = Field(0.2, ge=0.0, le=1.0)
    relabel: float = Field(0.9, ge=0.0, le=1.0)
    attempts: int = Field(3, ge=1, le=20, strict=True)
    relabelled: Literal["keep", "reject"] = "keep"


class DataSet(Specification):
    """A data set to be made.

    Attributes:
        counts: Images by expression; or a number, which is shared out among the expressions, or
            where AUs have no label is the number of images without one.
        seed: Draws everything that is left to chance.
        backbone: ``builtin`` or ``facekit``.
        aus: Where action units come from.
        people: Who is shown.
        text: Words for all images.
        enrich: Whether detailed prompts are written (`enrichment`).
        semantic: Strength of semantic guidance; true is the usual one, false or 0 off.
        recipe: Further recipe fields that all images share; not `SET_BY_PLAN`.
        verdicts: Who is asked about the labels, and what follows.
        distance: Bits of 256 by which the perceptual hashes of two images differ at most if one is
            left out as a near-duplicate; None looks for none.
        watermark: Whether images carry the imperceptible watermark.
        shard: Images a worker makes before it hands them over.
    """

    NAME: ClassVar[str] = "RECIPE"

    version: Literal[1] = 1
    title: str = Field("Untitled data set", min_length=1, max_length=200)
    licence: str = Field("Apache-2.0", min_length=1, max_length=200)
    counts: Count | Annotated[Mapping[Expression, Count], Field(min_length=1)]
    seed: Seed = 0
    backbone: Literal["builtin", "facekit"] = "builtin"
    aus: AUs = AUs()
    people: People = People()
    text: Text = ""
    enrich: Flag = True
    semantic: bool | Annotated[float, Field(ge=0.0, le=10.0)] = False
    recipe: Mapping[str, Any] = Field(default_factory=dict)
    verdicts: Verdicts = Verdicts()
    distance: int | None = Field(12, ge=0, le=64, strict=True)
    watermark: Flag = True
    shard: int = Field(64, ge=1, le=4096, strict=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.aus.source == "uniform" and not isinstance(self.counts, int):
            raise RequestError(
                "AUs at random have no label", field="counts", allowed="a number of images"
            )
        if isinstance(self.counts, Mapping) and sum(self.counts.values()) > MAX_IMAGES:
            raise RequestError("too many images", field="counts", allowed=f"{MAX_IMAGES:,} in all")
        _check_shared(self.recipe)
        return self

    @property
    def strength(self) -> float:
        """Of semantic guidance; 0 is off."""
        return USUAL_STRENGTH if self.semantic is True else float(self.semantic)

    @classmethod
    def load(cls, path: Path) -> Self:
        """A data set's recipe from a YAML or JSON file; paths in it start at its folder.

        Raises:
            RequestError: It cannot be read, repeats a key, or is no such recipe.
        """
        spec = super().load(path)
        if spec.aus.file is None:
            return spec
        aus = spec.aus.model_copy(update={"file": path.parent / spec.aus.file})
        return spec.model_copy(update={"aus": aus})


def _check_shared(recipe: Mapping[str, Any]) -> None:
    for name in recipe:
        if name in SET_BY_PLAN:
            allowed = ", ".join(sorted(set(Recipe.model_fields) - set(SET_BY_PLAN)))
            raise RequestError("is no field for all", field=f"recipe.{name}", allowed=allowed)
    try:
        shared = Recipe.parse({**recipe, "expression": "neutral"})
    except RequestError as error:
        raise RequestError(
            error.message, field=f"recipe.{error.field}", allowed=error.allowed
        ) from error
    if shared.guidance.semantic:
        raise RequestError(
            "has a field of its own", field="recipe.guidance.semantic", allowed="semantic"
        )
