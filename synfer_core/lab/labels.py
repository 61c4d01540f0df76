"""What the names of class folders mean: our eight expressions, AffectNet's, RAF-DB's, or a map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from synfer_core.data.export import UNLABELLED as EXPORTED_UNLABELLED
from synfer_core.errors import DataError
from synfer_core.facs import EXPRESSIONS, SYNONYMS, Expression
from synfer_core.fetext.layouts import AFFECTNET_OTHERS, RAFDB
from synfer_core.files import read_text_bytes

Labels = Mapping[str, Expression | None]
"""Name of a class folder in lower case: its expression, or None for one that is left out."""

NAMES: Labels = SYNONYMS
AFFECTNET: Labels = MappingProxyType(
    {str(i): name for i, name in enumerate(EXPRESSIONS)}
    | {str(number): None for number in AFFECTNET_OTHERS}
)
RAF_DB: Labels = MappingProxyType({str(number): name for number, name in RAFDB.items()})

MAPS: Mapping[str, Labels] = MappingProxyType(
    {"names": NAMES, "affectnet": AFFECTNET, "rafdb": RAF_DB}
)
"""By what ``--labels`` takes: names (those of AffectNet and RAF-DB among them), or their numbers.

Numbers mean nothing without it: 1 is happiness in AffectNet and surprise in RAF-DB.
"""


def load(named: str) -> Labels:
    """A label map by name, or from a JSON file such as ``{"joy": "happiness", "other": null}``.

    Raises:
        RequestError: It is neither.
    """
    if named in MAPS:
        return MAPS[named]
    from synfer_core.models.image_classifier import read_labels

    given = read_labels(read_text_bytes(Path(named), "--labels"), "--labels")
    return {name.lower(): expression for name, expression in given.items()}


def meaning(folder: Path, labels: Labels) -> int | None:
    """Index of the expression that a class folder holds, -1 for exports' unlabelled one; None to
    leave it out.

    Raises:
        DataError: The map says nothing of it.
    """
    name = folder.name.lower()
    if name == EXPORTED_UNLABELLED:
        return -1
    if name not in labels:
        raise DataError(
            f"the label map says nothing of the folder {folder.name!r}",
            field=str(folder),
            allowed=f"{', '.join(labels)}; or --labels {', '.join(MAPS)} or a JSON file",
        )
    expression = labels[name]
    return None if expression is None else EXPRESSIONS.index(expression)
