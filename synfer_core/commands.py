"""The commands ``serve`` and ``generate``; each imports what it needs when it runs."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core import batch
from synfer_core.accounts import check_auth
from synfer_core.command_parts import (
    ADDED_HELP,
    action_units,
    add_marking,
    add_models,
    add_target,
    check_targets,
    follow,
    json_bytes,
    load,
    print_summary,
    scene_values,
    source_of,
    wanted_marking,
)
from synfer_core.environment import without_proxies
from synfer_core.errors import RequestError, SynferError, about
from synfer_core.files import read_text_bytes, write_whole
from synfer_core.listening import addresses_of, listen, local_alone, url_of
from synfer_core.models.added import Added, check_known, parse_all
from synfer_core.request import USUAL_IDENTITY_SCALE, Recipe

if TYPE_CHECKING:
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
  synfer generate --backbone facekit --scene yaw=15 --scene background=#808080 --out turned.png
  synfer generate --recipe recipe.json --out face.png --no-watermark
  synfer generate --batch recipes.jsonl --out faces/"""

SERVE_EXAMPLES = """examples:
  synfer serve --open
  synfer serve --backbone sd15=models/stable-diffusion-v1-5,adapter=units.safetensors
  synfer user add ada --file users.txt && synfer serve --auth users:users.txt --host 0.0.0.0
  synfer serve --auth token:token.txt --root-path /faces --proxies 127.0.0.1

exit codes: 0 ended by Ctrl-C, 2 a typed error, such as a port that is taken, or an address that
others reach without --auth; SIGTERM ends it within 5 seconds, as a signal (143 in a shell)"""


def add_parser(subparsers: Subparsers) -> None:
    """Add both commands."""
    _add_serve(subparsers)
    _add_generate(subparsers)


def _add_serve(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "serve", help="open the studio", description="Open the studio.", epilog=SERVE_EXAMPLES
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open a browser when it is ready")
    parser.add_argument(
        "--auth", metavar="KIND:FILE", help="who may use it: users:FILE or token:FILE (synfer user)"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="let everybody in who reaches --host"
    )
    parser.add_argument(
        "--proxies", metavar="LIST", help="addresses whose X-Forwarded headers count, with commas"
    )
    parser.add_argument("--root-path", metavar="/PATH", help="prefix under which a proxy serves it")
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
    source.add_argument(
        "--recipe", type=Path, metavar="R.json", help="JSON, or a picture made here"
    )
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
    add_target(group)
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
        help="the person as a picture or sample:NAME, where the model can",
    )
    group.add_argument(
        "--face-scale",
        dest="identity_scale",
        type=float,
        metavar="N",
        help=f"how much --face counts beside the words, 0 to 2 ({USUAL_IDENTITY_SCALE:g})",
    )
    group.add_argument(
        "--scene",
        action="append",
        metavar="NAME=VALUE",
        help="of exact renders (--backbone facekit): yaw=10, gaze_yaw=0, light=studio, "
        "light_side=left, background=#808080 or transparent, framing=head, glasses=none, "
        "hair=false and the like",
    )
    group.add_argument("--steps", type=int, help="denoising steps")
    group.add_argument("--size", type=int, help="pixels on a side")


def _serve(args: argparse.Namespace) -> int:
    added = parse_all(args.backbone)
    # By name: the studio builds on this package, never the other way round.
    settings = importlib.import_module("app.settings").Settings.from_env(_serve_environment(args))
    if settings.auth:
        check_auth(settings.auth)
    addresses = addresses_of(args.host, args.port)
    _check_open(args.host, settings, alone=local_alone(addresses))
    sockets = listen(addresses, args.port)
    url = url_of(args.host, args.port, settings.root_path)
    print(f"SynFER Studio: {url} in a few seconds; Ctrl-C ends it", flush=True)
    with without_proxies():  # libraries read them as they are imported, and may fail at them
        main = importlib.import_module("app.main")
    with contextlib.ExitStack() as stack:
        for one in sockets:
            stack.enter_context(one)
        main.serve(settings, sockets, args.host, url, args.open, added)
    return 0


def _serve_environment(args: argparse.Namespace) -> dict[str, str]:
    """The environment, with what the options say in its place."""
    names = ("auth", "proxies", "root_path")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.insecure:
        given["insecure"] = "true"
    return {**os.environ, **{f"SYNFER_STUDIO_{n.upper()}": value for n, value in given.items()}}


def _check_open(host: str, settings: Any, *, alone: bool) -> None:
    """Warn where others reach a studio that asks nobody who they are.

    Raises:
        RequestError: And nobody has said that this is meant.
    """
    if alone or settings.auth:
        return
    if not settings.insecure:
        raise RequestError(
            f"whoever reaches {host} could use this studio, unasked and unencrypted",
            field="--host",
            allowed="with --auth users:FILE or token:FILE, or with --insecure",
        )
    print(f"warning: whoever reaches {host} can use this studio, unasked", file=sys.stderr)


def _generate(args: argparse.Namespace) -> int:
    return _generate_one(args) if args.batch is None else _generate_batch(args)


def _generate_one(args: argparse.Namespace) -> int:
    added = _added(args)
    recipe = Recipe.parse(_recipe_values(args))
    check_known(recipe.backbone, added)
    check_targets(args)
    if args.enrich:
        recipe = _enriched(recipe)
    result = follow(load(args.models, added), recipe)
    result.save_png(args.out, wanted_marking(args))
    if args.report:
        write_whole(args.report, json_bytes(result.to_dict()))
    print_summary(args.out, result)
    return 0


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
    given += [f"--{name}" for name in ("au", "scene", "report", "enrich") if getattr(args, name)]
    if given:
        allowed = "--out, --models, --backbone NAME=WHERE, --no-watermark, --label"
        raise RequestError("does not go with --batch", field=given[0], allowed=allowed)
    lines = batch.read_lines(args.batch)
    generate = load(args.models, added).generate
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
    if args.scene:
        values["scene"] = {**(values.get("scene") or {}), **scene_values(args.scene)}
    if args.identity_image is not None:
        values["identity_image"] = _portrait(args.identity_image)
    return values


def _portrait(image: str) -> str:
    """A face as a recipe holds it; what is to be known of it is printed."""
    from synfer_core.editing import portrait_of

    source, *_ = source_of(image)
    if isinstance(source, str):
        return source
    with about(image):
        portrait, notes = portrait_of(source)
    for note in notes:
        print(f"  note: {note}")
    return portrait


def _read_recipe(path: Path) -> dict[str, Any]:
    from synfer_core.faces.images import MAX_BYTES
    from synfer_core.report import read_recipe

    data = read_text_bytes(path, "--recipe", limit=MAX_BYTES)
    png = data.startswith(b"\x89PNG")
    recipe = read_recipe(data, str(path)) if png else Recipe.parse_json(data)
    return recipe.model_dump(exclude_unset=True)


def _enriched(recipe: Recipe) -> Recipe:
    """The recipe with its enriched text, which is printed."""
    from synfer_core.enrichment import enrich_recipe

    recipe, made = enrich_recipe(recipe)
    print(f"enriched text: {made.text}")
    for note in made.notes:
        print(f"  note: {note}")
    return recipe
