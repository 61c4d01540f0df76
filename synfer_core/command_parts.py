"""What the commands share: options, targets, progress, and what is printed.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import ImageError, RequestError, SynferError, about
from synfer_core.facs import EXPRESSIONS, format_facs
from synfer_core.files import check_writable
from synfer_core.models.added import Added
from synfer_core.provenance.marking import Marking
from synfer_core.request import SAMPLE, Recipe
from synfer_core.terminal import control, one_line

if TYPE_CHECKING:
    from synfer_core.report import Annotation, Pixels, Result
    from synfer_core.synthesizer import Synthesizer

ADDED_HELP = (
    "a Stable Diffusion model: WHERE is a folder, or hub:ORG/MODEL to fetch it; "
    ",adapter=FILE ,lora=FILE ,face=DIR and ,feranno=FILE may follow"
)


def add_models(parser: argparse._ActionsContainer) -> None:
    """Add the option that says where the weights are."""
    parser.add_argument("--models", type=Path, metavar="DIR", help="weights (the ones that ship)")


def add_marking(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how pictures are marked."""
    parser.add_argument(
        "--no-watermark",
        action="store_true",
        help="leave the pixels as they were made; the metadata says so",
    )
    parser.add_argument(
        "--label", action="store_true", help="write into a corner that the image is not a photo"
    )


def wanted_marking(args: argparse.Namespace) -> Marking:
    """How the options of `add_marking` want pictures marked."""
    return Marking(watermark=not args.no_watermark, label=args.label)


def add_target(group: argparse._ActionsContainer) -> None:
    """Add the options that say what a face is to do."""
    group.add_argument("--facs", help="action units as a FACS string, such as 6C+12D+25B or L14C")
    group.add_argument(
        "--au", action="append", metavar="AU=N", help="one action unit, 0 to 5, such as AU12=4"
    )
    group.add_argument("--expression", metavar="NAME", help=", ".join(EXPRESSIONS))


def source_of(image: str) -> tuple[Pixels | str, Recipe | None, tuple[str, ...]]:
    """What to edit, the recipe that made it where it carries one, and notes on that recipe."""
    from synfer_core.faces.images import decode_image, read_bytes
    from synfer_core.report import carried_recipe

    if image.startswith(SAMPLE):
        return image, None, ()
    data = read_bytes(Path(image))
    return decode_image(data, image), *carried_recipe(data, image)


def action_units(terms: list[str]) -> dict[str, float]:
    """AUs given as terms such as ``AU12=4``.

    Raises:
        RequestError: A term cannot be read, or a key comes twice.
    """
    aus: dict[str, float] = {}
    for term in terms:
        key, _, value = term.partition("=")
        if key in aus:
            raise RequestError("comes twice", field=f"aus.{key}", allowed="each unit once")
        try:
            aus[key] = float(value)
        except ValueError as error:
            raise RequestError(
                f"cannot read {term[:40]!r}", field="--au", allowed="AU12=4 with 0 to 5"
            ) from error
    return aus


def scene_values(terms: list[str]) -> dict[str, Any]:
    """Fields of a recipe's scene given as terms such as ``yaw=10`` or ``hair=false``.

    Raises:
        RequestError: A term cannot be read, or a name comes twice.
    """
    values: dict[str, Any] = {}
    for term in terms:
        name, equals, value = term.partition("=")
        if not equals or not value:
            raise RequestError(
                f"cannot read {term[:40]!r}", field="--scene", allowed="such as yaw=10"
            )
        if name in values:
            raise RequestError("comes twice", field=f"scene.{name}", allowed="each field once")
        values[name] = {"true": True, "false": False}.get(value, value)
    return values


def check_png(out: Path) -> None:
    """Refuse a target ``--out`` that is no PNG or cannot be written.

    Raises:
        RequestError: Names the option.
    """
    if out.suffix.lower() != ".png":
        raise RequestError(f"{out.name} is not a PNG name", field="--out", allowed="*.png")
    check_writable(out, "--out")


def check_targets(args: argparse.Namespace) -> None:
    """Refuse ``--out`` and ``--report`` where they cannot be written, before any work."""
    check_png(args.out)
    if args.report:
        check_writable(args.report, "--report")


def load(folder: Path | None, added: Sequence[Added] = ()) -> Synthesizer:
    """The synthesizer; the weights that ship, where no folder is given."""
    from synfer_core.synthesizer import Synthesizer

    for one in added:
        one.check()
    return Synthesizer.load(folder, added)


def follow(synthesizer: Synthesizer, recipe: Recipe) -> Result:
    """Generate, with the steps on the terminal where there is one."""
    from synfer_core.report import Progress

    if not sys.stderr.isatty():
        return synthesizer.generate(recipe)
    for item in synthesizer.stream(recipe):
        if isinstance(item, Progress):
            control(f"\r{item.stage} {item.step}/{item.total}\x1b[K")
        else:
            result = item
    control("\r\x1b[K")
    return result


def for_each(images: Sequence[Path], show: Callable[[Path], None], *, as_json: bool) -> int:
    """Show images one after another, those that cannot be read as errors; returns the exit code."""
    failures = 0
    for path in images:
        try:
            with about(str(path)):
                show(path)
        except ImageError as error:
            failures += 1
            _print_failure(path, error, as_json=as_json)
    if failures and len(images) == 1:
        return 2
    return 1 if failures else 0


def _print_failure(path: Path, error: SynferError, *, as_json: bool) -> None:
    print(f"error: {one_line(str(error))}", file=sys.stderr)
    if as_json:
        print(json.dumps({"file": str(path), "ok": False, "error": error.to_dict()}))


def print_summary(path: Path, made: Result | Annotation) -> None:
    """Print what was read off an image, for people."""
    label = made.label
    read = f"{label.expression}, {label.confidence:.0%} sure" if label else "no label"
    print(f"{one_line(str(path))}: {read}")
    if made.verdict:
        print(f"  {made.verdict}")
    for reading in made.readings:
        print(f"  {format_facs(reading.aus) or 'no action unit'} (by {reading.reader})")
    for note in made.notes:
        print(f"  note: {note}")


def json_bytes(value: object) -> bytes:
    """A value as a JSON file."""
    return json.dumps(value, indent=2, allow_nan=False).encode() + b"\n"
