"""The command line ``synfer``.

Importing this module loads neither torch nor any command: the first argument names the one module
that is imported. Each such module has ``add_parser(subparsers)``, which adds its command with
``set_defaults(run=function)``; ``function(args)`` returns the exit code.

Exit codes: 0 done, 1 a part of a batch failed, 2 a bad request or another typed error, such as a
full disk, 130 interrupted by Ctrl-C, 143 ended by SIGTERM (of
``docker stop``, or at a batch system's limit of time).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from synfer_core.errors import CancelledError, SynferError
from synfer_core.terminal import one_line, screened

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "serve": ("synfer_core.commands", "open the studio as a web page"),
        "user": (
            "synfer_core.accounts_command",
            "say who may use a server that is opened to others",
        ),
        "generate": ("synfer_core.commands", "make an image from a recipe, or many from a file"),
        "edit": ("synfer_core.edit_command", "give a face another expression, the rest kept"),
        "enrich": (
            "synfer_core.enrich_command",
            "write a detailed prompt from a coarse description",
        ),
        "annotate": (
            "synfer_core.annotations.commands",
            "read expression and action units off images",
        ),
        "stimuli": ("synfer_core.stimuli.commands", "build a set of images for an experiment"),
        "grid": (
            "synfer_core.grids.commands",
            "make faces in rows and columns, two things changed",
        ),
        "morph": ("synfer_core.morphs.commands", "a face from neutral to apex, frame by frame"),
        "data": ("synfer_core.data.commands", "build, check and export labelled data sets"),
        "lab": ("synfer_core.lab.commands", "train recognisers on faces and test them on others"),
        "fetext": ("synfer_core.fetext.commands", "make a data set of captioned face photos"),
        "provenance": ("synfer_core.provenance.commands", "read where an image comes from"),
        "facekit": ("synfer_core.facekit.commands", "the exact renderer: data pack and renders"),
        "adapters": ("synfer_core.models.commands", "convert published AU adapters"),
        "train": ("synfer_core.training.commands", "train one stage of the built-in model"),
        "experts": ("synfer_core.training.commands", "weigh FERAnno and experts that vote"),
        "eval": ("synfer_core.evaluation.commands", "measure the built-in model"),
        "bench": ("synfer_core.evaluation.commands", "time the built-in model on this machine"),
    }
)
"""Command: the module that holds it, and what it does."""

EPILOG = """examples:
  synfer generate --text "a young woman" --facs 6C+12D+25B --out smile.png
  synfer annotate smile.png --json
  synfer serve --open"""


_LOOKS: dict[str, Any] = {
    "formatter_class": argparse.RawDescriptionHelpFormatter,
    "allow_abbrev": False,
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error of the program."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **_LOOKS | kwargs)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\ntry: {self.prog} --help\n")


def build_parser(command: str | None = None) -> Parser:
    """The whole parser of one command, or without one the overview of all."""
    parser = Parser(
        prog="synfer", description="Controllable synthesis of facial expressions.", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=_version())
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    if command is not None:
        importlib.import_module(COMMANDS[command][0]).add_parser(subparsers)
    else:
        for name, (_, what) in COMMANDS.items():
            subparsers.add_parser(name, help=what, add_help=False)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"synfer {version('synfer-studio')}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    with screened(), _ended_by_sigterm(arguments) as ended:
        return _guarded(arguments, ended)


def _guarded(arguments: list[str], ended: list[int]) -> int:
    """Run one command; what ends it early is one line."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (KeyboardInterrupt, CancelledError) as error:
        why = f": {error}" if str(error) else ""
        return _say(f"{'ended' if ended else 'interrupted'}{why}", ended[0] if ended else 130)
    except SynferError as error:
        return _say(f"error: {one_line(str(error))}", 2)
    except BrokenPipeError:
        # The reader, such as `head`, has left.
        _leave_unwritten()
        return 0
    except OSError as error:
        _leave_unwritten()
        name = one_line(str(error.filename or "output"))
        return _say(f"error: {name}: {error.strerror or error}", 2)
    return code


def _leave_unwritten() -> None:
    """Python would complain again when it flushes what nobody takes."""
    with contextlib.suppress(OSError, ValueError):  # there may be no file below
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _ended_by_sigterm(arguments: list[str]) -> Iterator[list[int]]:
    """Make SIGTERM stop a command as Ctrl-C does, so that it keeps what is finished.

    The server has its own way to end. Yields the exit code, once there was one.
    """
    ended: list[int] = []

    def end(number: int, frame: object) -> NoReturn:
        ended.append(128 + number)
        raise KeyboardInterrupt

    if arguments[:1] == ["serve"] or threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str]) -> int:
    # Pillow warns of damage and of metadata that it cannot read, in lines that name no file.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    args = build_parser(command).parse_args(arguments)
    code: int = args.run(args)
    return code


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
