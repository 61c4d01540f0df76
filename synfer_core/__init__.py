"""SynFER Studio's core: recipe in; a face, a calibrated label and attention maps out.

Names are imported when they are first used, so that the light ones come without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synfer_core.errors import RequestError, SynferError
    from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES
    from synfer_core.report import Annotation, Progress, Result
    from synfer_core.request import Recipe
    from synfer_core.synthesizer import Synthesizer

_HOMES = {
    "ACTION_UNITS": "facs",
    "EXPRESSIONS": "facs",
    "PROTOTYPES": "facs",
    "Annotation": "report",
    "Progress": "report",
    "Recipe": "request",
    "RequestError": "errors",
    "Result": "report",
    "SynferError": "errors",
    "Synthesizer": "synthesizer",
}

__all__ = [
    "ACTION_UNITS",
    "EXPRESSIONS",
    "PROTOTYPES",
    "Annotation",
    "Progress",
    "Recipe",
    "RequestError",
    "Result",
    "SynferError",
    "Synthesizer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
