"""How ``synfer train`` is placed on devices and processes, and what its run directory says."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.errors import RequestError

if TYPE_CHECKING:
    from synfer_core.models.added import Added
    from synfer_core.training.placement import Placement, Precision
    from synfer_core.training.run_record import Record

SD_STAGES = ("sd-adapter", "sd-lora", "sd-feranno")
PRECISIONS = ("auto", "float32", "float16", "bfloat16", "no", "fp16", "bf16")
_SETTINGS = (
    *("batch", "accumulate", "limit", "rate", "seed", "judge", "rival", "rank"),
    "gradient_checkpointing",
)
"""Options that decide what is learned."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about devices, precision and the run."""
    parser.add_argument(
        "--steps", type=int, help="budget in steps, counted from the first, in place of --minutes"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where (%(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of the forward pass (%(default)s: bfloat16 where the machine is faster with it); no, "
        "fp16 and bf16 are accelerate's names",
    )
    parser.add_argument(
        "--accumulate", type=int, default=1, metavar="N", help="batches a step (%(default)s)"
    )
    parser.add_argument(
        "--gradient-checkpointing",
        action="store_true",
        help="with sd-*: less memory, more time",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write curves, and with sd-adapter and sd-lora sample images, to --out/tensorboard",
    )


def check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, before anything is loaded.

    Raises:
        RequestError: A number is not above 0, or an option is not one of this stage.
        DependencyError: TensorBoard is asked for and not installed.
    """
    for name in ("steps", "accumulate", "batch"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise RequestError(f"is {value}", field=f"--{name}", allowed="1 and up")
    if args.gradient_checkpointing and args.stage not in SD_STAGES:
        raise RequestError(
            "is for large U-Nets", field="--gradient-checkpointing", allowed=", ".join(SD_STAGES)
        )
    if args.tensorboard:
        from synfer_core.training import board

        board.check()


def place(args: argparse.Namespace) -> tuple[Placement, Precision]:
    """Where to train and in which precision.

    Raises:
        RequestError: CUDA is asked for and not there; or several processes are started, or float16
            is asked for, for a stage that trains in one process.
        DependencyError: `accelerate` is needed and not installed.
    """
    from synfer_core.training.placement import Alone, accelerated, launched

    device = _device(args.device)
    precision = _precision(args.precision, device)
    if args.stage in SD_STAGES and (launched() or precision == "float16"):
        # Nothing reads the places that FERAnno's last block puts out.
        partly = args.stage == "sd-feranno"
        return accelerated(device, precision, partly=partly), precision
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError(
            f"{args.stage} trains in one process", field="stage", allowed=", ".join(SD_STAGES)
        )
    if precision == "float16":
        raise RequestError(
            f"{args.stage} has no scaling of gradients",
            field="--precision",
            allowed="auto, float32, bfloat16",
        )
    return Alone(device), precision


def _device(name: str) -> str:
    """What is asked for; left to us, a GPU where there is one.

    Raises:
        RequestError: CUDA is asked for and not there.
    """
    import torch

    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise RequestError("finds no CUDA device", field="--device", allowed="auto, cpu")
    return ("cuda" if found else "cpu") if name == "auto" else name


def _precision(name: str, device: str) -> Precision:
    """What is asked for, here or of ``accelerate launch``.

    Left to us, bfloat16 where the hardware multiplies tiles of it.

    Raises:
        RequestError: ``accelerate launch`` was asked for a precision that is not one of ours.
    """
    import torch

    from synfer_core.training.placement import MIXED, MIXED_VARIABLE

    asked = os.environ.get(MIXED_VARIABLE, "no") if name == "auto" else name
    if name == "auto" and asked == "no":
        fast = device == "cuda" or torch.cpu._is_amx_tile_supported()
        return "bfloat16" if fast else "float32"
    found = MIXED.get(asked) or next((p for p in MIXED.values() if p == asked), None)
    if found is None:
        raise RequestError(
            f"is {asked}", field="accelerate launch --mixed_precision", allowed=", ".join(MIXED)
        )
    return found


@contextmanager
def recorded(
    args: argparse.Namespace, placement: Placement, precision: Precision, rate: float
) -> Iterator[None]:
    """While it lasts, the run is going on; ``run.json`` says which and, after it, that it ended.

    Raises:
        RequestError: --resume is asked for and the run in --out is another one.
        DataError: There are no data, or the record in --out cannot be read.
    """
    from synfer_core.training import run_record

    devices = placement.names(_device_name(placement.device))
    record: Record | None = None
    if placement.rank == 0:
        asked = _record(args, placement, precision, rate, devices)
        record = run_record.begin(args.out, asked, resume=args.resume)
    yield
    if record is not None:
        record.ended().write(args.out)


def _record(
    args: argparse.Namespace,
    placement: Placement,
    precision: Precision,
    rate: float,
    devices: tuple[str, ...],
) -> Record:
    from synfer_core.training import run_record

    config = {name: getattr(args, name) for name in _SETTINGS}
    config |= {"rate": rate, "precision": precision, "processes": placement.processes}
    config["start"] = None if args.start is None else str(args.start)
    stretch = run_record.Stretch(
        command=("synfer", *sys.argv[1:]),
        source=run_record.source(),
        versions=run_record.versions(),
        devices=devices,
        minutes=args.minutes,
        steps=args.steps,
        started=run_record.now(),
    )
    return run_record.Record(
        stage=args.stage,
        config=config,
        data=run_record.data_of(args.data),
        weights=_weights(args),
        stretches=(stretch,),
    )


def _weights(args: argparse.Namespace) -> Mapping[str, str]:
    """Hashes of what a stage on Stable Diffusion builds on."""
    if args.stage not in SD_STAGES:
        return {}
    from synfer_core.models import hub, sd_parts
    from synfer_core.models.checkpoints import file_sha256

    added = backbone(args.backbone)
    files: dict[str, Path | None] = {"adapter": added.adapter, "lora": added.lora}
    put_in = {part: file_sha256(path) for part, path in files.items() if path is not None}
    return {"model": sd_parts.folder_sha256(hub.folder_of(added.where)), **put_in}


def backbone(text: str) -> Added:
    """The Stable Diffusion model that --backbone names, with or without ``NAME=``.

    Raises:
        RequestError: It is not in that form.
    """
    from synfer_core.models.added import Added

    named = "=" in text.split(",", 1)[0]
    return Added.parse(text if named else f"sd={text}")


def _device_name(device: str) -> str:
    """The name of a GPU, or of this machine's processor."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
