"""Commands for images and words: ``serve``, ``generate``, ``edit`` and ``enrich``.

Each imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core import batch
from synfer_core.errors import ImageError, RequestError, SynferError
from synfer_core.facs import EXPRESSIONS, format_facs
from synfer_core.files import check_writable, read_text_bytes, write_whole
from synfer_core.models.added import Added, parse_all
from synfer_core.provenance.marking import Marking
from synfer_core.request import SAMPLE, USUAL_IDENTITY_SCALE, Recipe

if TYPE_CHECKING:
    from synfer_core.enrichment import Writer
    from synfer_core.report import Annotation, Pixels, Result
    from synfer_core.synthesizer import Synthesizer

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

OPTIONS = {
    "text": "--text",
    "enriched_text": "--enriched-text",
    "negative_text": "--negative-text",
    "facs": "--facs",
    "expression": "--expression",
    "backbone": "--backbone",
    "seed": "--seed",
    "identity_seed": "--identity-seed",
    "identity_image": "--face",
    "identity_scale": "--face-scale",
    "steps": "--steps",
    "size": "--size",
}
"""Recipe fields that have an option of their own; they win over the recipe file's."""

GENERATE_EXAMPLES = """examples:
  synfer generate --text "a young woman" --facs 6C+12D+25B --out smile.png
  synfer generate --au AU12=4 --au AUL2=1.5 --identity-seed 7 --out wry.png --report wry.json
  synfer generate --text "a man" --expression fear --enrich --out fear.png
  synfer generate --backbone sd15=models/sd15,face=models/ip-adapter --face photo.jpg --out f.png
  synfer generate --recipe recipe.json --out face.png --no-watermark
  synfer generate --batch recipes.jsonl --out faces/"""

ADDED_HELP = (
    "a Stable Diffusion model: WHERE is a folder, or hub:ORG/MODEL to fetch it; "
    ",adapter=FILE ,lora=FILE ,face=DIR and ,feranno=FILE may follow"
)

EDIT_OPTIONS = {
    "text": "--text",
    "negative_text": "--negative-text",
    "facs": "--facs",
    "expression": "--expression",
    "identity_seed": "--identity-seed",
    "steps": "--steps",
    "inversion_depth": "--depth",
    "keep": "--keep",
}
"""Recipe fields that ``synfer edit`` has options for."""

EDIT_EXAMPLES = """examples:
  synfer edit photo.jpg --au AU12=4 --au AU6=3 --out smile.png
  synfer edit smile.png --relative --au AU12=-2 --out fainter.png --report fainter.json
  synfer edit sample:ada --facs 4D+7C+23C --expression anger --out angry.png"""

ENRICH_EXAMPLES = """examples:
  synfer enrich "a man" --expression happiness
  synfer enrich "an old woman" --au AU12=4 --au AUL2=1.5
  synfer enrich "a man" --facs 4D+7C+23C --expression anger --model models/instruct"""

SERVE_EXAMPLES = """examples:
  synfer serve --open
  synfer serve --backbone sd15=models/stable-diffusion-v1-5,adapter=units.safetensors
  synfer serve --host 0.0.0.0 --port 8000"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the commands."""
    _add_serve(subparsers)
    _add_generate(subparsers)
    _add_edit(subparsers)
    _add_enrich(subparsers)


def _add_serve(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "serve", help="open the studio", description="Open the studio.", epilog=SERVE_EXAMPLES
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open a browser when it is ready")
    parser.add_argument(
        "--backbone", action="append", default=[], metavar="NAME=WHERE", help=ADDED_HELP
    )
    parser.set_defaults(run=_serve)


def _add_generate(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "generate",
        help="make an image",
        description="Make an image from a recipe, or many from a file with one recipe a line.",
        epilog=GENERATE_EXAMPLES,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--recipe", type=Path, metavar="R.json", help="a recipe as JSON")
    source.add_argument("--batch", type=Path, metavar="R.jsonl", help="one recipe a line")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="a .png file; with --batch a folder"
    )
    parser.add_argument("--report", type=Path, metavar="F.json", help="also write the report here")
    parser.add_argument(
        "--enrich", action="store_true", help="write the detailed prompt (see synfer enrich)"
    )
    add_models(parser)
    add_marking(parser)
    _add_recipe_options(parser)
    parser.set_defaults(run=_generate)


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("in place of a recipe, or on top of one")
    group.add_argument("--text", help="what the words say")
    group.add_argument(
        "--enriched-text", metavar="TEXT", help="detailed words that steer in place of the text"
    )
    group.add_argument("--negative-text", metavar="TEXT", help="what to steer away from")
    _add_target(group)
    group.add_argument(
        "--backbone",
        metavar="NAME",
        help=f"which model makes the image (builtin), or as NAME=WHERE {ADDED_HELP}",
    )
    group.add_argument("--seed", type=int, help="draws the noise")
    group.add_argument("--identity-seed", type=int, metavar="SEED", help="draws the person")
    group.add_argument(
        "--face",
        dest="identity_image",
        metavar="IMAGE",
        help="the person as a picture (PNG, JPEG, WebP) or sample:NAME, where the model can",
    )
    group.add_argument(
        "--face-scale",
        dest="identity_scale",
        type=float,
        metavar="N",
        help=f"how much --face counts beside the words, 0 to 2 ({USUAL_IDENTITY_SCALE:g})",
    )
    group.add_argument("--steps", type=int, help="denoising steps")
    group.add_argument("--size", type=int, help="pixels on a side")


def _add_target(group: argparse._ActionsContainer) -> None:
    group.add_argument("--facs", help="action units as a FACS string, such as 6C+12D+25B or L14C")
    group.add_argument(
        "--au", action="append", metavar="AU=N", help="one action unit, 0 to 5, such as AU12=4"
    )
    group.add_argument("--expression", metavar="NAME", help=", ".join(EXPRESSIONS))


def _add_edit(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "edit",
        help="give a face another expression",
        description="Give a face another expression; person, hair, pose and light stay.",
        epilog=EDIT_EXAMPLES,
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="PNG, JPEG or WebP, or sample:NAME; an image made here says itself what it shows",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="F.png", help="where to write")
    parser.add_argument("--report", type=Path, metavar="F.json", help="also write the report here")
    parser.add_argument(
        "--relative",
        action="store_true",
        help="--au adds to what the face shows, -5 to 5; without it all other units are absent",
    )
    _add_target(parser)
    parser.add_argument("--text", help="what the words say")
    parser.add_argument("--negative-text", metavar="TEXT", help="what to steer away from")
    parser.add_argument("--identity-seed", type=int, metavar="SEED", help="the person it shows")
    parser.add_argument("--steps", type=int, help="steps from pure noise to the image")
    parser.add_argument(
        "--depth",
        dest="inversion_depth",
        type=float,
        metavar="N",
        help="share of the way back to noise, above 0, at most 1: more changes more",
    )
    parser.add_argument(
        "--keep",
        type=float,
        metavar="N",
        help="how firmly to hold what the units do not move, 0 to 1 (1)",
    )
    add_models(parser)
    add_marking(parser)
    parser.set_defaults(run=_edit)


def _add_enrich(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "enrich",
        help="write a prompt",
        description="Write a detailed prompt from a coarse description, an expression and AUs.",
        epilog=ENRICH_EXAMPLES,
    )
    parser.add_argument("text", metavar="TEXT", help='a description, such as "a man"')
    _add_target(parser)
    parser.add_argument(
        "--model",
        metavar="PATH",
        help="an instruction-tuned text model, as a folder or an id on the hub, that writes it "
        "(a built-in grammar)",
    )
    parser.set_defaults(run=_enrich)


def add_models(parser: argparse.ArgumentParser) -> None:
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


def _serve(args: argparse.Namespace) -> int:
    if not 0 < args.port < 65536:
        raise RequestError("is not a port", field="--port", allowed="1 to 65535")
    added = parse_all(args.backbone)
    address = f"http://{args.host}:{args.port}/"
    print(f"SynFER Studio: {address} in a few seconds; Ctrl-C ends it", flush=True)
    # By name: the studio builds on this package, never the other way round.
    importlib.import_module("app.main").serve(args.host, args.port, args.open, added)
    return 0


def _generate(args: argparse.Namespace) -> int:
    return _generate_one(args) if args.batch is None else _generate_batch(args)


def _generate_one(args: argparse.Namespace) -> int:
    added = _added(args)
    recipe = Recipe.parse(_recipe_values(args))
    _check_targets(args)
    if args.enrich:
        recipe = _enriched(recipe)
    result = _follow(_load(args.models, added), recipe)
    result.save_png(args.out, wanted_marking(args))
    if args.report:
        write_whole(args.report, _json_bytes(result.to_dict()))
    print_summary(args.out, result)
    return 0


def _edit(args: argparse.Namespace) -> int:
    if args.relative and not args.au:
        raise RequestError("changes nothing", field="--relative", allowed="with --au")
    aus = action_units(args.au) if args.au else {}
    _check_targets(args)
    source, made_by = _source(args.image)
    fields = {f: getattr(args, f) for f in EDIT_OPTIONS if getattr(args, f) is not None}
    synthesizer = _load(args.models)
    edit = synthesizer.edit(source, aus, relative=args.relative, made_by=made_by, **fields)
    result = _follow(synthesizer, edit.recipe)
    result.save_png(args.out, wanted_marking(args))
    if args.report:
        write_whole(args.report, _json_bytes({**result.to_dict(), "edit": edit.to_dict()}))
    print_summary(args.out, result)
    print(f"  round trip of the source: {result.reconstruction_psnr:.1f} dB")
    for note in edit.notes:
        print(f"  note: {note}")
    return 0


def _source(image: str) -> tuple[Pixels | str, Recipe | None]:
    """What to edit, and the recipe that made it where it carries one."""
    from synfer_core.faces.images import decode_image, read_bytes
    from synfer_core.report import carried_recipe

    if image.startswith(SAMPLE):
        return image, None
    data = read_bytes(Path(image))
    return decode_image(data, image), carried_recipe(data)


def _added(args: argparse.Namespace) -> tuple[Added, ...]:
    """The backbone that ``--backbone NAME=WHERE`` adds, if it does; NAME alone remains."""
    if args.backbone is None or "=" not in args.backbone:
        return ()
    added = Added.parse(args.backbone)
    args.backbone = added.name
    return (added,)


def _generate_batch(args: argparse.Namespace) -> int:
    added = _added(args)
    if added:
        # In a batch each line names its own backbone.
        args.backbone = None
    given = [name for field, name in OPTIONS.items() if getattr(args, field) is not None]
    given += [f"--{name}" for name in ("au", "report", "enrich") if getattr(args, name)]
    if given:
        allowed = "--out, --models, --backbone NAME=WHERE, --no-watermark, --label"
        raise RequestError("does not go with --batch", field=given[0], allowed=allowed)
    lines = batch.read_lines(args.batch)
    generate = _load(args.models, added).generate
    summary = batch.run(lines, args.out, generate, _print_entry, wanted_marking(args))
    print(f"{summary.made} made, {summary.failed} failed: {args.out / batch.MANIFEST}")
    return 1 if summary.failed else 0


def _print_entry(entry: dict[str, Any]) -> None:
    if not entry["ok"]:
        error = SynferError(**{k: v for k, v in entry["error"].items() if k != "type"})
        print(f"error: line {entry['index']}: {error}", file=sys.stderr)


def _recipe_values(args: argparse.Namespace) -> dict[str, Any]:
    """The recipe file's fields, with those of the options on top."""
    values = {} if args.recipe is None else _read_recipe(args.recipe)
    values |= {f: getattr(args, f) for f in OPTIONS if getattr(args, f) is not None}
    if args.au:
        values["aus"] = action_units(args.au)
    if args.identity_image is not None:
        values["identity_image"] = _portrait(args.identity_image)
    return values


def _portrait(image: str) -> str:
    """A face as a recipe holds it; what is to be known of it is printed."""
    from synfer_core.editing import portrait_of

    source, _ = _source(image)
    if isinstance(source, str):
        return source
    portrait, notes = portrait_of(source)
    for note in notes:
        print(f"  note: {note}")
    return portrait


def _read_recipe(path: Path) -> dict[str, Any]:
    return Recipe.parse_json(read_text_bytes(path, "--recipe")).model_dump(exclude_unset=True)


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


def check_png(out: Path) -> None:
    """Refuse a target ``--out`` that is no PNG or cannot be written.

    Raises:
        RequestError: Names the option.
    """
    if out.suffix.lower() != ".png":
        raise RequestError(f"{out.name} is not a PNG name", field="--out", allowed="*.png")
    check_writable(out, "--out")


def _check_targets(args: argparse.Namespace) -> None:
    check_png(args.out)
    if args.report:
        check_writable(args.report, "--report")


def _enriched(recipe: Recipe) -> Recipe:
    """The recipe with its enriched text, which is printed."""
    from synfer_core.enrichment import enrich_recipe

    recipe, made = enrich_recipe(recipe)
    print(f"enriched text: {made.text}")
    for note in made.notes:
        print(f"  note: {note}")
    return recipe


def _enrich(args: argparse.Namespace) -> int:
    from synfer_core.enrichment import enrich_recipe

    values = {name: getattr(args, name) for name in ("text", "facs", "expression")}
    values |= {"aus": action_units(args.au)} if args.au else {}
    recipe = Recipe.parse({name: value for name, value in values.items() if value is not None})
    _, made = enrich_recipe(recipe, _writer(args.model))
    print(made.text)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _writer(source: str | None) -> Writer | None:
    """The text model that is asked for.

    Raises:
        WeightsError: It cannot be loaded.
    """
    if source is None:
        return None
    from synfer_core.models.language import LanguageModel

    return LanguageModel.load(source)


def _load(folder: Path | None, added: Sequence[Added] = ()) -> Synthesizer:
    from synfer_core.synthesizer import Synthesizer

    return Synthesizer.load(folder, added)


def _follow(synthesizer: Synthesizer, recipe: Recipe) -> Result:
    """Generate, with the steps on the terminal where there is one."""
    from synfer_core.report import Progress

    if not sys.stderr.isatty():
        return synthesizer.generate(recipe)
    for item in synthesizer.stream(recipe):
        if isinstance(item, Progress):
            print(f"\r{item.stage} {item.step}/{item.total}\x1b[K", end="", file=sys.stderr)
        else:
            result = item
    print("\r\x1b[K", end="", file=sys.stderr)
    return result


def for_each(images: Sequence[Path], show: Callable[[Path], None], *, as_json: bool) -> int:
    """Show images one after another, those that cannot be read as errors; returns the exit code."""
    failures = 0
    for path in images:
        try:
            show(path)
        except ImageError as error:
            failures += 1
            _print_failure(path, error, as_json=as_json)
    if failures and len(images) == 1:
        return 2
    return 1 if failures else 0


def _print_failure(path: Path, error: SynferError, *, as_json: bool) -> None:
    print(f"error: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps({"file": str(path), "ok": False, "error": error.to_dict()}))


def print_summary(path: Path, made: Result | Annotation) -> None:
    """Print what was read off an image, for people."""
    label = made.label
    print(f"{path}: {f'{label.expression}, {label.confidence:.0%} sure' if label else 'no label'}")
    if made.verdict:
        print(f"  {made.verdict}")
    for reading in made.readings:
        print(f"  {format_facs(reading.aus) or 'no action unit'} (by {reading.reader})")
    for note in made.notes:
        print(f"  note: {note}")


def _json_bytes(value: object) -> bytes:
    return json.dumps(value, indent=2, allow_nan=False).encode() + b"\n"
