"""Published weights in PyTorch's pickle format, of which tensors are taken and nothing else.

A pickle can run any code when it is read. ``torch.load(weights_only=True)`` runs none: it builds
tensors and plain containers and refuses all else. What it built is then checked to be a flat table
of tensors. Such a file is read once, to be converted to safetensors.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synfer_core.errors import WeightsError

_ALLOWED = "a PyTorch file that holds a table of tensors and nothing else"


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU, floats as float32.

    Raises:
        WeightsError: The file is missing or damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise WeightsError("is missing", field=path.name, allowed=_ALLOWED)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        first = str(error).split("\n", 1)[0].split(". ", 1)[0]
        raise WeightsError(f"is refused: {first}", field=path.name, allowed=_ALLOWED) from error
    if not isinstance(found, dict):
        what = type(found).__name__
        raise WeightsError(f"holds no table but {what}", field=path.name, allowed=_ALLOWED)
    return {_name(key, path): _tensor(key, value, path) for key, value in found.items()}


def _name(key: object, path: Path) -> str:
    if not isinstance(key, str):
        raise WeightsError(f"has a key that is no name: {key!r}", field=path.name, allowed=_ALLOWED)
    return key


def _tensor(key: str, value: object, path: Path) -> Tensor:
    if not isinstance(value, Tensor):
        what = type(value).__name__
        raise WeightsError(f"{key} is {what}, no tensor", field=path.name, allowed=_ALLOWED)
    return value.detach().float() if value.is_floating_point() else value.detach()
