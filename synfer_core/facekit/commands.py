"""`synfer facekit`: get the data pack, render labelled data sets, contact sheets and samples."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.errors import RequestError
from synfer_core.facekit.compact import Departure
from synfer_core.facekit.pack import (
    COMMIT,
    REPOSITORY,
    fetch,
    fetched_path,
    pack_checkout,
    pack_compact,
)
from synfer_core.files import check_writable

if TYPE_CHECKING:
    from synfer_core.facekit.dataset import DatasetConfig
    from synfer_core.facekit.groups import GroupConfig

_FORMATTER = argparse.RawDescriptionHelpFormatter
PACK_HELP = "data pack (default: $SYNFER_FACEKIT, else a fetched one, else the one that ships)"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``facekit`` and its commands; each sets ``run``, a function of the parsed arguments
    that returns the exit code."""
    parser = subparsers.add_parser(
        "facekit",
        help="the exact 3D renderer: data pack, data sets, contact sheets",
        description="Render faces whose action units are known exactly, from ICT-FaceKit (MIT).",
        epilog="example:\n  synfer facekit fetch && synfer facekit sheet faces.png",
        formatter_class=_FORMATTER,
    )
    commands = parser.add_subparsers(dest="facekit_command", required=True, metavar="COMMAND")
    _add_fetch(commands)
    _add_pack(commands)
    _add_warm(commands)
    _add_render(commands)
    _add_sheet(commands)
    _add_samples(commands)
    _add_cards(commands)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=_FORMATTER,
    )


def _add_fetch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "clone ICT-FaceKit at its pinned commit and build the data pack"
    parser = _command(commands, "fetch", text, "synfer facekit fetch")
    parser.add_argument("--out", type=Path, help=f"the pack to write (default: {fetched_path()})")
    parser.add_argument("--url", default=REPOSITORY, help="repository to clone (%(default)s)")
    parser.add_argument("--commit", default=COMMIT, help="commit to check out (%(default)s)")
    parser.set_defaults(run=_fetch)


def _fetch(arguments: argparse.Namespace) -> int:
    out = fetch(arguments.out, url=arguments.url, commit=arguments.commit)
    print(out)
    return 0


def _add_pack(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "build a data pack from a checkout of ICT-FaceKit, or a compact one from a full one"
    example = (
        "synfer facekit pack ICT-FaceKit full.npz\n"
        "  synfer facekit pack --compact full.npz assets/facekit/ict_facekit.npz"
    )
    parser = _command(commands, "pack", text, example)
    parser.add_argument("source", type=Path, help="folder of the checkout, or a full pack")
    parser.add_argument("out", type=Path, help="the pack to write, an .npz file")
    parser.add_argument(
        "--compact",
        action="store_true",
        help="shapes as whole steps, a third of the size; says how far any vertex moves",
    )
    parser.add_argument(
        "--people",
        type=int,
        default=200,
        metavar="N",
        help="drawn people, with expressions, to measure that on as well (%(default)s)",
    )
    parser.set_defaults(run=_pack)


def _pack(arguments: argparse.Namespace) -> int:
    check_writable(arguments.out, "out")
    if not arguments.compact:
        if not arguments.source.is_dir():
            raise RequestError(
                f"{arguments.source} is no folder",
                field="source",
                allowed="a checkout; with --compact a full pack too",
            )
        print(pack_checkout(arguments.source, arguments.out))
        return 0
    if arguments.people < 1:
        raise RequestError(
            f"{arguments.people} is out of range", field="--people", allowed="1 and up"
        )
    made = pack_compact(arguments.source, arguments.out, people=arguments.people)
    print(f"{made.path}: {made.size:,} bytes")
    print(f"  a single shape moves a vertex by at most {_cm(made.shapes)}")
    print(f"  {arguments.people} people with expressions: at most {_cm(made.people)}")
    return 0


def _add_warm(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "compile the renderer and derive what it keeps, as `make install` does"
    parser = _command(commands, "warm", text, "synfer facekit warm")
    parser.add_argument("--pack", type=Path, help=PACK_HELP)
    parser.set_defaults(run=_warm)


def _warm(arguments: argparse.Namespace) -> int:
    from synfer_core.facekit.warming import warm

    start = time.monotonic()
    warm(arguments.pack)
    print(f"the exact renderer is ready ({time.monotonic() - start:.0f} s)")
    return 0


def _cm(departure: Departure) -> str:
    return f"{departure.largest:.5f} cm ({departure.where})"


def _add_render(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "render a labelled data set as Parquet shards; run again, it goes on where it stopped"
    example = (
        "synfer facekit render data/calm --count 1000 --size 128 --workers 2\n"
        "  synfer facekit render data/groups --groups 500 --flow --split train"
    )
    parser = _command(commands, "render", text, example)
    parser.add_argument("out", type=Path, help="folder for the shards")
    parser.add_argument("--count", type=int, help="images (default: 1000)")
    parser.add_argument(
        "--groups",
        type=int,
        metavar="N",
        help="groups of eight pictures of one person in one scene, the first neutral",
    )
    parser.add_argument(
        "--flow", action="store_true", help="with groups: where pixels lie in others of the group"
    )
    parser.add_argument(
        "--plan", help="of groups: mixed (all kinds of AUs) or expressions (default: mixed)"
    )
    parser.add_argument("--size", type=int, default=128, help="pixels on a side (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the set (%(default)s)")
    parser.add_argument(
        "--distribution",
        help="calm (stimuli), wide, free (AUs), half (each AU in half of the images), labelled, "
        "portrait or varied (default: calm, of groups portrait)",
    )
    parser.add_argument("--split", help="only identities of train, val or test (default: all)")
    parser.add_argument("--per-identity", type=int, help="images of a person (default: 8)")
    parser.add_argument(
        "--per-shard", type=int, default=512, help="images in a shard (%(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    parser.add_argument("--pack", type=Path, help=PACK_HELP)
    parser.set_defaults(run=_render)


def _render(arguments: argparse.Namespace) -> int:
    from synfer_core.facekit.dataset import render_dataset

    config = _plain_set(arguments) if arguments.groups is None else _groups(arguments)
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        print(f"{done}/{total} images, {time.monotonic() - start:.0f} s", file=sys.stderr)

    workers, pack = arguments.workers, arguments.pack
    print(render_dataset(config, arguments.out, workers=workers, pack=pack, progress=show))
    return 0


def _plain_set(arguments: argparse.Namespace) -> DatasetConfig:
    from synfer_core.facekit.dataset import DatasetConfig

    _refuse(arguments, ("flow", "plan"), "with --groups")
    return DatasetConfig(
        count=1000 if arguments.count is None else arguments.count,
        size=arguments.size,
        seed=arguments.seed,
        distribution=arguments.distribution or "calm",
        split=arguments.split,
        per_identity=8 if arguments.per_identity is None else arguments.per_identity,
        per_shard=arguments.per_shard,
    )


def _groups(arguments: argparse.Namespace) -> GroupConfig:
    from synfer_core.facekit.groups import PER_GROUP, GroupConfig

    _refuse(arguments, ("count", "per_identity"), "without --groups")
    if arguments.per_shard % PER_GROUP:
        raise RequestError(
            f"{arguments.per_shard} splits a group",
            field="--per-shard",
            allowed=f"a multiple of {PER_GROUP}",
        )
    return GroupConfig(
        groups=arguments.groups,
        size=arguments.size,
        seed=arguments.seed,
        distribution=arguments.distribution or "portrait",
        plan=arguments.plan or "mixed",
        split=arguments.split,
        flow=arguments.flow,
        groups_per_shard=arguments.per_shard // PER_GROUP,
    )


def _refuse(arguments: argparse.Namespace, names: Sequence[str], allowed: str) -> None:
    """Refuse options that mean nothing beside the others."""
    for name in names:
        if getattr(arguments, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise RequestError("does not go with the rest", field=option, allowed=allowed)


def _add_sheet(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "draw a contact sheet: expressions of eight people, every AU, or random scenes"
    parser = _command(commands, "sheet", text, "synfer facekit sheet faces.png --kind expressions")
    parser.add_argument("out", type=Path, help="picture to write (.png, .jpg or .webp)")
    parser.add_argument("--kind", default="expressions", help="expressions, aus or random")
    parser.add_argument("--size", type=int, default=128, help="pixels of a face (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="who is shown (%(default)s)")
    parser.add_argument("--distribution", default="calm", help="of random scenes (%(default)s)")
    parser.add_argument("--pack", type=Path, help=PACK_HELP)
    parser.set_defaults(run=_sheet)


def _sheet(arguments: argparse.Namespace) -> int:
    from synfer_core.facekit.sheets import check_suffix, draw_sheet, save_sheet

    check_suffix(arguments.out)
    check_writable(arguments.out, "out")
    picture = draw_sheet(
        arguments.kind,
        size=arguments.size,
        seed=arguments.seed,
        distribution=arguments.distribution,
        pack=arguments.pack,
    )
    print(save_sheet(picture, arguments.out))
    return 0


def _add_samples(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "render the built-in samples, the faces that the studio offers to edit"
    parser = _command(commands, "samples", text, "synfer facekit samples assets/samples")
    parser.add_argument("out", type=Path, help="folder for the pictures and their list")
    parser.add_argument("--size", type=int, default=512, help="pixels on a side (%(default)s)")
    parser.add_argument("--pack", type=Path, help=PACK_HELP)
    parser.set_defaults(run=_samples)


def _samples(arguments: argparse.Namespace) -> int:
    from synfer_core.facekit import samples

    samples.write(arguments.out, size=arguments.size, pack=arguments.pack, tell=print)
    return 0


def _add_cards(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "draw each action unit: a face that shows it, with the skin that it moves tinted"
    parser = _command(commands, "cards", text, "synfer facekit cards assets/help")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--pack", type=Path, help=PACK_HELP)
    parser.set_defaults(run=_cards)


def _cards(arguments: argparse.Namespace) -> int:
    from synfer_core.facekit import cards

    cards.write(arguments.out, pack=arguments.pack, tell=print)
    return 0
