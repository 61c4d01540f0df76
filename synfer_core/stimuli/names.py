"""File names by a template, checked before anything is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from types import MappingProxyType
from typing import Any

from synfer_core.errors import RequestError

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "subject": "number of the person, from 1, in the order of the specification",
        "seed": "identity seed of the person",
        "expression": "neutral, or the expression, the action unit or the mix",
        "intensity": "per cent of the apex; 0 for neutral",
        "view": "files.view of the specification",
        "index": "number of the image, from 1",
    }
)
"""Fields of a template."""

FIELD = "files.template"
_SPEC = re.compile(r"0?[1-9]?d?")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.png")
_NUMBERS = {"subject", "seed", "intensity", "index"}
_MAX_LENGTH = 120
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_template(template: str) -> None:
    """Refuse what is no template of `FIELDS`.

    Raises:
        RequestError: Names ``files.template`` and the fields there are.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise _wrong(f"cannot be read: {error}") from error
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS:
            raise _wrong(f"{{{field}}} is not a field")
        if conversion or (spec and not (field in _NUMBERS and _SPEC.fullmatch(spec))):
            raise _wrong(f"{{{field}}} has a format that is not allowed")


def _wrong(message: str) -> RequestError:
    fields = ", ".join(FIELDS)
    return RequestError(message, field=FIELD, allowed=f"{fields}; numbers as {{subject:03d}}")


def render(template: str, values: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of all images.

    Args:
        template: Such as `spec.TEMPLATE`.
        values: For each image, a value for each of `FIELDS`.

    Raises:
        RequestError: The template is wrong, a name is unsafe on some system, or two are equal
            where upper and lower case count as one.
    """
    check_template(template)
    names = tuple(template.format(**one) for one in values)
    seen: dict[str, str] = {}
    for name in names:
        check_safe(name)
        if name.lower() in seen:
            raise RequestError(
                f"two images would be called {name}",
                field=FIELD,
                allowed="fields that tell all images apart, such as {subject}, {expression} and "
                "{intensity}",
            )
        seen[name.lower()] = name
    return names


def check_safe(name: str, field: str = FIELD) -> None:
    """Refuse a file name that is not safe on every system.

    Raises:
        RequestError: Names `field`.
    """
    if not _SAFE.fullmatch(name) or ".." in name or len(name) > _MAX_LENGTH:
        raise RequestError(
            f"{name[:60]!r} is no safe name",
            field=field,
            allowed=f"letters, digits, dot, hyphen and underscore, at most {_MAX_LENGTH}, and .png",
        )
    if _RESERVED.fullmatch(name):
        raise RequestError(f"{name} is a device on Windows", field=field, allowed="another name")
