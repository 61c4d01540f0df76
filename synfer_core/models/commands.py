"""The command ``adapters``: published AU adapters brought into the one format that is read here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.errors import RequestError
from synfer_core.files import check_writable

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer adapters convert fineface/ --out fineface.safetensors
  synfer serve --backbone fineface=models/stable-diffusion-2-1-base,adapter=fineface.safetensors"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "adapters",
        help="convert published AU adapters",
        description="Published AU adapters, brought into one safetensors file once.",
        epilog=EXAMPLES,
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    convert = parts.add_parser(
        "convert",
        help="FineFace's three files into one; tensors are read and nothing else",
        description="Convert FineFace: au_encoder.ckpt, attn_processors.ckpt and "
        "pytorch_lora_weights.safetensors. A file with anything but tensors is refused.",
        epilog=EXAMPLES,
    )
    convert.add_argument("folder", type=Path, metavar="DIR", help="holds the three files")
    convert.add_argument("--out", type=Path, required=True, metavar="F.safetensors", help="target")
    convert.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> int:
    if args.out.suffix != ".safetensors":
        allowed = "*.safetensors"
        raise RequestError(f"{args.out.name} is no such name", field="--out", allowed=allowed)
    check_writable(args.out, "--out")
    from synfer_core.models import sd_adapter

    adapter = sd_adapter.read_fineface(args.folder)
    sd_adapter.save(adapter, args.out)
    units = len(adapter.units.config.layers) if adapter.units is not None else 0
    print(
        f"{args.out}: {units} layers read action units, {len(adapter.lora.unet) // 2} have a LoRA"
    )
    return 0
