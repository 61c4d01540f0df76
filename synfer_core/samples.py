"""The built-in samples: small aligned faces to edit, exact renders of people who do not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from synfer_core.errors import DataError, RequestError
from synfer_core.facs import validate_aus
from synfer_core.files import read_text_bytes
from synfer_core.request import SAMPLE

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "samples"
"""The samples that ship; ``synfer facekit samples`` renders them."""
LIST = "samples.json"


@dataclass(frozen=True)
class Sample:
    """One face.

    Attributes:
        name: Its name; ``sample:NAME`` is its reference in recipes.
        alt: What it shows, in words.
        aus: Its action units, 0-5, exactly; what is not named is at 0.
        identity_code: The person as `Recipe.identity_code` takes it.
    """

    name: str
    alt: str
    aus: Mapping[str, float]
    identity_code: tuple[float, ...]

    @property
    def reference(self) -> str:
        """As `Recipe.reference` takes it."""
        return SAMPLE + self.name

    @property
    def file(self) -> str:
        """Name of its picture beside the list."""
        return f"{self.name}.png"


def to_json(samples: tuple[Sample, ...]) -> bytes:
    """The list as JSON, one sample a line."""
    lines = ",\n".join(json.dumps(asdict(sample), allow_nan=False) for sample in samples)
    return f"[\n{lines}\n]\n".encode()


def read_list(folder: Path) -> tuple[Sample, ...]:
    """The samples of a folder.

    Raises:
        RequestError: There is no list in it.
        DataError: The list is damaged.
    """
    text = read_text_bytes(folder / LIST, LIST)
    try:
        return tuple(_sample(row) for row in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"is damaged: {error}", field=LIST) from error


def _sample(row: dict[str, Any]) -> Sample:
    code = tuple(float(value) for value in row["identity_code"])
    return Sample(str(row["name"]), str(row["alt"]), validate_aus(row["aus"]), code)


@cache
def shipped() -> tuple[Sample, ...]:
    """The samples that ship, in the order to show them in."""
    return read_list(FOLDER)


def find(name: str, field: str = "reference") -> Sample:
    """A sample that ships, by its name; `field` is the recipe's field that holds it.

    Raises:
        RequestError: There is none of that name.
    """
    found = {sample.name: sample for sample in shipped()}
    if name not in found:
        raise RequestError(f"there is no sample {name!r}", field=field, allowed=", ".join(found))
    return found[name]
