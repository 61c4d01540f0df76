"""Weight files: safetensors that carry their own config, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from synfer_core.errors import WeightsError
from synfer_core.files import placed

C = TypeVar("C")
V = TypeVar("V")


@dataclass(frozen=True)
class Checkpoint:
    """A weight file as read.

    Attributes:
        config: The network's config, as given to `save`.
        tensors: Its tensors, floats as float32.
        sha256: SHA-256 of the file.
    """

    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    sha256: str


def save(
    path: Path,
    kind: str,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any],
    *,
    half: bool = True,
) -> None:
    """Write a weight file beside its place and rename it into place.

    Args:
        path: Where to write; the folder is made.
        kind: What the network is, such as ``codec``; `load` asks for it.
        tensors: The state dict.
        config: JSON-able config that rebuilds the network.
        half: Store floating point tensors in float16.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (t.half() if half and t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in tensors.items()
    }
    with placed(path) as aside:
        save_file(stored, aside, metadata={"kind": kind, "config": json.dumps(config)})


def load(path: Path, kind: str, *, widen: bool = True) -> Checkpoint:
    """Read a weight file; `widen` makes its floats float32.

    Raises:
        WeightsError: The file is missing, damaged, or holds another kind of network.
    """
    if not path.is_file():
        raise WeightsError("weight file is missing", field=path.name, allowed=f"a {kind} file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weight file is damaged: {error}", field=path.name) from error
    if metadata.get("kind") != kind:
        raise WeightsError(
            f"holds {metadata.get('kind', 'unknown weights')!r}", field=path.name, allowed=kind
        )
    if widen:
        tensors = {name: _widen(tensor) for name, tensor in tensors.items()}
    return Checkpoint(json.loads(metadata["config"]), tensors, file_sha256(path))


def tensors_of(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors of a file that others wrote, floats as float32.

    Args:
        path: The file.
        what: What it is meant to be, for errors.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError("is missing", field=path.name, allowed=what)
    try:
        return {name: _widen(tensor) for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"is damaged: {error}", field=path.name, allowed=what) from error


def fill(module: nn.Module, checkpoint: Checkpoint, name: str) -> None:
    """Put a checkpoint's tensors into `module`.

    Raises:
        WeightsError: Names or shapes differ from what the config builds.
    """
    try:
        module.load_state_dict(dict(checkpoint.tensors), strict=True)
    except RuntimeError as error:
        raise WeightsError(f"does not fit its config: {error}", field=name) from error


def pretrained(kind: Any, where: Path, **options: Any) -> Any:
    """A network of `diffusers` or `transformers` from a folder, for use.

    Args:
        kind: Its class.
        where: The folder; only safetensors are read.
        options: Further arguments of ``from_pretrained``.

    Raises:
        WeightsError: The files are missing or damaged, lack weights of it, or hold others.
    """
    strict = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    try:
        with hushed("transformers", "diffusers"):
            model, told = kind.from_pretrained(where, **strict, **options)
    except (OSError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())[:300]
        raise WeightsError(f"cannot be read: {why}", field=_place(where)) from error
    check_whole(told, _place(where))
    return model.eval().requires_grad_(False)


def check_whole(told: Mapping[str, Any], field: str, *, alone: bool = True) -> None:
    """Make sure that files have all weights of a network, each of its shape.

    Args:
        told: What ``from_pretrained`` says of the loading.
        field: The files' place, for errors.
        alone: Refuse weights beside them too.

    Raises:
        WeightsError: Some are missing, or are another network's.
    """
    unlike = [one if isinstance(one, str) else one[0] for one in told["mismatched_keys"]]
    for names, what in (
        (told["missing_keys"], "lacks"),
        (unlike, "has other shapes for"),
        (told["unexpected_keys"] if alone else (), "has weights of another network:"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"{what} {min(names)}{more}", field=field, allowed="all weights of its config.json"
            )


@contextmanager
def hushed(*names: str) -> Iterator[None]:
    """While it lasts, loggers say errors only: what they warn of is looked for here."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _place(where: Path) -> str:
    return f"{where.parent.name}/{where.name}"


def config_of(checkpoint: Checkpoint, kind: type[C]) -> C:
    """The checkpoint's config as a frozen dataclass; JSON's lists become tuples.

    Raises:
        WeightsError: A field is missing or unknown.
    """
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in checkpoint.config.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise WeightsError(f"config does not fit: {error}", field=kind.__name__) from error


def below(tensors: Mapping[str, V], prefix: str) -> dict[str, V]:
    """The tensors, or what else has names, whose names start with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _widen(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
