"""YAML and JSON as people write them, each value as YAML 1.2 and JSON mean it.

PyYAML follows YAML 1.1, in which ``010`` is 8, ``1:30`` is 90, ``1e3`` is a word and ``no`` is
false. Here the core schema of YAML 1.2 holds (https://yaml.org/spec/1.2.2/#103-core-schema), with
the merge key ``<<`` of YAML 1.1 beside it, which people use to share fields.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, ClassVar

import yaml

from synfer_core.errors import RequestError
from synfer_core.text_limits import YAML_PARTS, check_json, check_yaml, why_unread

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_PLAIN: tuple[tuple[str, str, str], ...] = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)
"""What an unquoted word may be other than text: its tag, its forms, how it can begin."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Builds plain values; refuses a key that comes twice, as one of the two would be lost."""

    yaml_implicit_resolvers: ClassVar[Any] = {}

    def flatten_mapping(self, node: Any) -> None:
        """Put what ``<<`` names in its place; the mapping's own keys win over merged ones."""
        own = [key for key, _ in node.value if key.tag != _MERGE]
        merges = len(own) < len(node.value)
        if merges or id(node) not in self._flat:
            _check_once(self.construct_object(key, deep=True) for key in own)
        self._flat.add(id(node))
        if merges:
            super().flatten_mapping(node)
            node.value = list({_identity(key): (key, value) for key, value in node.value}.values())

    def __init__(self, stream: bytes):
        super().__init__(stream)
        self._flat: set[int] = set()


def _identity(key: yaml.Node) -> object:
    """Equal for equal scalar keys; any other key equals itself alone."""
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


def _check_once(keys: Iterable[object]) -> None:
    seen: set[Hashable] = set()
    for key in keys:
        if not isinstance(key, Hashable):
            continue  # PyYAML names it
        if key in seen:
            raise RequestError(f"{str(key)[:40]} comes twice", allowed="each key once")
        seen.add(key)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    """In one step: what holds itself is refused."""
    made: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return made


def _list(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return list(loader.construct_sequence(node, deep=True))


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Quotes each text that YAML 1.1 or 1.2 would take for something else."""


for _name, _forms, _first in _PLAIN:
    _starts = [*_first, ""] if _name == "null" else [*_first]
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_forms})\\Z"), _starts)
_Loader.add_constructor(f"{_TAG}map", _mapping)
_Loader.add_constructor(f"{_TAG}seq", _list)
_Loader.add_constructor(f"{_TAG}int", _whole)


def read_yaml(data: bytes, name: str, fields: Collection[str] = ()) -> object:
    """What a YAML or JSON text holds.

    A field of the top that is none of `fields` and that other places refer to (``common: &shared``
    and ``<<: *shared``) is there to be referred to, and is left out.

    Args:
        data: In UTF-8, or in UTF-16 with its mark.
        name: What errors call the whole.
        fields: Known fields of the top.

    Raises:
        RequestError: It can be read as neither, is too deep, stands for too many values, or a key
            comes twice.
    """
    try:
        check_yaml(data, name)
        if data.lstrip().startswith(b"{"):
            check_json(data, name, YAML_PARTS)
            try:
                return json.loads(data.decode(), object_pairs_hook=_unique)
            except ValueError:
                pass  # a flow mapping of YAML looks like JSON
        return _read(data, frozenset(fields))
    except RequestError as error:
        raise RequestError(error.message, field=name, allowed=error.allowed) from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        why = why_unread(error)
        raise RequestError(f"cannot be read as YAML or JSON: {why}", field=name) from error


def _read(data: bytes, fields: frozenset[str]) -> object:
    loader = _Loader(data)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if isinstance(root, yaml.MappingNode):
            _leave_out_shared(root, fields)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _leave_out_shared(root: yaml.MappingNode, fields: frozenset[str]) -> None:
    uses = Counter(_places(root, set()))
    root.value = [
        (key, value)
        for key, value in root.value
        if uses[id(value)] < 2 or not isinstance(key, yaml.ScalarNode) or key.value in fields
    ]


def _places(root: yaml.Node, seen: set[int]) -> Iterable[int]:
    """Where nodes stand: an anchored one once for itself, and once for each alias."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield id(node)
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        for part in node.value:
            waiting += part if isinstance(part, tuple) else [part]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_once(key for key, _ in pairs)
    return dict(pairs)


def write_yaml(values: Mapping[str, Any]) -> str:
    """Fields as YAML that `read_yaml`, and readers of YAML 1.1, read back as they are."""
    text: str = yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True,
        default_flow_style=None, width=60,
    )  # fmt: skip
    return text
