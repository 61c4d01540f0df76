"""What was measured on the weights at hand: the part of ``figures.json`` that the studio shows.

The file ships beside the weights; `synfer eval control --json` and `synfer eval feranno --json`
make its parts. Each says by a hash which weights it was taken from, and counts for those alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from synfer_core.errors import WeightsError

NAME = "figures.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    """Figures of which the studio shows some; the file holds more."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, strict=True)


class Estimate(_Part):
    """A figure and, where it was estimated, its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None for a bare number."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def _estimate(figure: object) -> object:
    plain = isinstance(figure, int | float) and not isinstance(figure, bool)
    return {"value": float(figure)} if plain else figure  # type: ignore[arg-type]


Figure = Annotated[Estimate, BeforeValidator(_estimate)]
"""An estimate with its interval, or a bare number."""


class UnitFigures(_Part):
    """How well one action unit follows.

    Attributes:
        spearman: Rank correlation of what was asked with what the AU reader measured, -1 to 1.
        reader_r: The AU reader's own correlation with the truth on exact renders, -1 to 1; None
            where no exact renderer was at hand.
    """

    spearman: Figure
    reader_r: float | None = None


class ControlFigures(_Part):
    """The part by `synfer eval control`.

    Attributes:
        weights_sha256: The weights that made the images.
        images: How many images it rests on.
        aus: By AU key of both sides, such as ``AU12``; None where that was not measured.
    """

    weights_sha256: Sha256
    images: int
    aus: dict[str, UnitFigures] | None


class LabelFigures(_Part):
    """The part by `synfer eval feranno`.

    Attributes:
        weights_sha256: The generator that FERAnno reads with.
        accuracy: Share of held-out renders whose expression it reads rightly, 0 to 1.
        ece: Expected calibration error, 0 to 1.
    """

    weights_sha256: Sha256
    accuracy: Figure
    ece: Figure


class Figures(_Part):
    """What is known of the weights in one folder; a part that was not measured is None."""

    control: ControlFigures | None = None
    feranno: LabelFigures | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Those in a folder of weights; none where it has no ``figures.json``.

        Raises:
            WeightsError: The file cannot be read or lacks what the studio shows.
        """
        path = folder / NAME
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror}", field=NAME) from error
        except ValidationError as error:
            raise _translate(error) from error

    def of(self, weights_sha256: str) -> Figures:
        """Those parts that were taken from these weights."""
        return Figures(
            control=_taken_from(weights_sha256, self.control),
            feranno=_taken_from(weights_sha256, self.feranno),
        )


Part = TypeVar("Part", ControlFigures, LabelFigures)


def _taken_from(weights_sha256: str, part: Part | None) -> Part | None:
    return part if part and part.weights_sha256 == weights_sha256 else None


def _translate(error: ValidationError) -> WeightsError:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return WeightsError(
        f"{place}: {first['msg']}", field=NAME, allowed="what synfer eval control and feranno write"
    )
