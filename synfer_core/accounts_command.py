"""The command ``user``: who may use a server; passwords are asked for and never arguments."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.accounts import (
    SECRET_MOST,
    Stored,
    check_name,
    check_password,
    new_token,
    put_user,
    read_users,
    write_private,
)
from synfer_core.errors import MissingError, RequestError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer user add ada --file users.txt
  synfer user list --file users.txt
  synfer user remove ada --file users.txt
  synfer user token --file token.txt

A running server takes up changes of its user file at once: a user who is removed is signed out."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "user",
        help="say who may use a server",
        description="Say who may use a server that is opened with serve --auth.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    add = _action(actions, "add", "add a user, or change a password", _add)
    add.add_argument("name", metavar="NAME", help="letters, digits and . _ @ -")
    remove = _action(actions, "remove", "take a user out", _remove)
    remove.add_argument("name", metavar="NAME", help="as it was added")
    _action(actions, "list", "print the users' names", _list)
    _action(actions, "token", "write a new token, for serve --auth token:FILE", _token)


def _action(actions: Subparsers, name: str, what: str, run: object) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("--file", type=Path, required=True, metavar="FILE", help="the file")
    parser.set_defaults(run=run)
    return parser


def _add(args: argparse.Namespace) -> int:
    name = check_name(args.name)
    known = read_users(args.file) if args.file.exists() else {}
    put_user(args.file, name, Stored.of(check_password(_asked())))
    print(f"{args.file}: {name} {'has a new password' if name in known else 'added'}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    if args.name not in read_users(args.file):
        raise MissingError(f"there is no user {args.name!r}", field=str(args.file))
    put_user(args.file, args.name, None)
    print(f"{args.file}: {args.name} removed")
    return 0


def _list(args: argparse.Namespace) -> int:
    for name in read_users(args.file):
        print(name)
    return 0


def _token(args: argparse.Namespace) -> int:
    if args.file.exists():
        raise RequestError("is there already", field=str(args.file), allowed="a new file")
    write_private(args.file, f"{new_token()}\n")
    print(f"{args.file}: a new token")
    return 0


def _asked() -> str:
    """A password: typed twice on a terminal, else the first line of the standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(SECRET_MOST + 2).rstrip("\r\n")
    try:
        password, again = getpass.getpass("Password: "), getpass.getpass("Again: ")
    except EOFError as error:
        raise RequestError("none was given", field="password") from error
    if again != password:
        raise RequestError("the two are not the same", field="password")
    return password
