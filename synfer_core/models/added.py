"""Backbones that a user adds by name: ``NAME=WHERE[,KEY=FILE]...``; keys are fields of `Added`.

WHERE is a folder; an id on the hub must say so, as ``hub:ORG/MODEL``, because it is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from synfer_core.errors import RequestError, UnsupportedError

HUB = "hub:"
BUILT_IN = ("builtin", "facekit")
FORM = "NAME=FOLDER or NAME=hub:ORG/MODEL, then ,adapter=FILE ,lora=FILE ,face=DIR ,feranno=FILE"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PART = re.compile(r",(?=[a-z]+=)")


@dataclass(frozen=True)
class Added:
    """A Stable Diffusion class backbone, as asked for.

    Attributes:
        name: Its name in recipes.
        where: A folder, or ``hub:`` and an id on the hub.
        adapter: An AU adapter (``synfer train sd-adapter``, ``synfer adapters convert``).
        lora: A LoRA as `diffusers` writes it.
        feranno: FERAnno for its features.
        face: An IP-Adapter for the person of a picture: a folder with it and its image encoder, or
            its file.
    """

    name: str
    where: str
    adapter: Path | None = None
    lora: Path | None = None
    feranno: Path | None = None
    face: Path | None = None

    @classmethod
    def parse(cls, text: str, field: str = "--backbone") -> Self:
        """Read one.

        Raises:
            RequestError: It is not in that form, or takes a name that is taken.
        """
        first, *rest = _PART.split(text)
        name, _, where = first.partition("=")
        if not _NAME.fullmatch(name) or not where:
            raise RequestError(f"cannot read {text[:60]!r}", field=field, allowed=FORM)
        if name in BUILT_IN:
            raise RequestError(f"{name} is taken", field=field, allowed="another name")
        hub = where.removeprefix(HUB)
        if where.startswith(HUB) and not _HUB_ID.fullmatch(hub):
            raise RequestError(f"{hub[:60]!r} is no id on the hub", field=field, allowed=FORM)
        return cls(name, where, **_files(rest, field))

    def check(self, field: str = "--backbone") -> None:
        """Refuse what is not on the disk, before anything is loaded.

        Raises:
            RequestError: Names the folder or file.
        """
        if not self.where.startswith(HUB) and not Path(self.where).is_dir():
            raise RequestError(f"there is no folder {self.where}", field=field, allowed=FORM)
        for path in (self.adapter, self.lora, self.feranno, self.face):
            if path is not None and not path.exists():
                raise RequestError(f"there is no {path}", field=field, allowed=FORM)


def _files(terms: list[str], field: str) -> dict[str, Path]:
    known = {f.name for f in fields(Added)} - {"name", "where"}
    files: dict[str, Path] = {}
    for term in terms:
        key, _, value = term.partition("=")
        if key not in known or key in files or not value:
            raise RequestError(f"cannot read {term[:60]!r}", field=field, allowed=FORM)
        files[key] = Path(value)
    return files


def check_known(name: str, added: Sequence[Added] = ()) -> None:
    """Refuse a recipe's backbone that is neither built in nor added, before anything is loaded.

    Raises:
        UnsupportedError: Names those that are.
    """
    known = (*BUILT_IN, *(one.name for one in added))
    if name not in known:
        raise UnsupportedError(
            f"{name!r} is not available here", field="backbone", allowed=", ".join(known)
        )


def parse_all(texts: list[str], field: str = "--backbone") -> tuple[Added, ...]:
    """Read several.

    Raises:
        RequestError: One is not in that form, or two have one name.
    """
    found = tuple(Added.parse(text, field) for text in texts)
    names = [added.name for added in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"{twice[0]} comes twice", field=field, allowed="each name once")
    return found
