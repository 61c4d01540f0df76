"""Damage for `fuzzing`: to any bytes, to the chunks of a PNG, and to the values in a text."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
"""Lengths and sizes at which readers go wrong."""

_VALUES = (
    *("null", "true", "[]", "{}", '""', "-1", "0", "1e999", "-0.0", "1e-320", "9" * 400, "NaN"),
    *("Infinity", "010", "1:30", "0x10", "1_000", "2026-11-30", "~", ".inf", "!!binary aGk=", "<<"),
    *("!!python/object:os.system", "&a [*a, *a]", "*nobody", '"\\u0000"', '"\\ud800"', "'\u202e'"),
    *("[1, 2, 3]", '{"a": 1}', '"=cmd()"', "..", "/etc/passwd", "AU99", "5.01", "-5", "0-0-0"),
    *("0-999999999", "1-300", "[" * 3000, "{a: " * 500, '{"a":' * 3000, "- " * 2000, "é" * 300),
)
"""What may stand in place of a value of JSON, YAML or CSV."""

_SMALL = (
    b"0",
    b"1",
    b"2",
    b"5",
    b"0.5",
    b"1.0",
    b"-1",
    b"2.5",
    b"100",
    b"4294967296",
    b"true",
    b"'3'",
)
"""Numbers and near numbers: what a field may take, or just not."""

_NUMBER = re.compile(rb"-?[0-9.]+")
_TOKEN = re.compile(rb"[^\s,:;{}\[\]\"']+|[,:;{}\[\]\"'\n\t]")


def damaged(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A file with one to eight random faults."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        rng.choice(_FAULTS)(rng, data, seeds)
    return bytes(data)


def image(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """An image with faults: of a PNG half of the time in its chunks, their checksums right."""
    data = rng.choice(seeds)
    if data.startswith(_PNG) and rng.random() < 0.6:
        return _png(rng, data, seeds)
    return damaged(rng, [data])


def text(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A text in which values and marks are replaced, doubled, swapped or left out."""
    if rng.random() < 0.15:
        return damaged(rng, seeds)
    tokens = _tokens(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _retoken(rng, tokens)
    joined = b"".join(tokens)
    return joined.decode("utf-8", "replace").encode("utf-16") if rng.random() < 0.02 else joined


def _tokens(data: bytes) -> list[bytes]:
    """Values, marks and what lies between them."""
    parts, at = [], 0
    for found in _TOKEN.finditer(data):
        parts += [data[at : found.start()], found[0]]
        at = found.end()
    return [*parts, data[at:]]


def _retoken(rng: random.Random, tokens: list[bytes]) -> None:
    at = rng.randrange(len(tokens))
    match rng.randrange(8):
        case 0 | 1:
            tokens[at] = rng.choice(_VALUES).encode("utf-8", "surrogatepass")
        case 5 | 6 | 7:
            numbers = [i for i, token in enumerate(tokens) if _NUMBER.fullmatch(token)] or [at]
            tokens[rng.choice(numbers)] = rng.choice(_SMALL)
        case 2:
            tokens[at:at] = tokens[at : at + rng.randrange(1, 30)] * rng.choice((1, 2, 50))
        case 3:
            del tokens[at : at + rng.randrange(1, 6)]
            tokens.append(b"")
        case _:
            other = rng.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]


_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNKS = tuple(
    b"IHDR PLTE IDAT IEND tRNS eXIf iTXt zTXt tEXt iCCP acTL fcTL fdAT gAMA cHRM sBIT bKGD".split()
)


def _png(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    chunks = list(_png_chunks(data))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(chunks))
        kind, content = chunks[at]
        match rng.randrange(6):
            case 0:
                del chunks[at]
                chunks = chunks or [(b"IEND", b"")]
            case 1:
                chunks.insert(rng.randrange(len(chunks)), (kind, content))
            case 2:
                chunks[at] = rng.choice(_CHUNKS), content
            case 3:
                chunks.insert(at, (rng.choice(_CHUNKS), rng.randbytes(rng.choice((0, 1, 13, 300)))))
            case _:
                broken = bytearray(content or b"\0")
                rng.choice(_FAULTS)(rng, broken, seeds)
                chunks[at] = kind, bytes(broken)
    return _PNG + b"".join(_chunk(kind, content) for kind, content in chunks)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], len(_PNG)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


Fault = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def _place(rng: random.Random, data: bytearray) -> int:
    """A place; one of two lies in the first 64 bytes, where headers are."""
    return rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data)) if data else 0


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _noise(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at : at + rng.choice((1, 4, 32))] = rng.randbytes(rng.choice((1, 4, 32)))


def _number(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, order = _place(rng, data), rng.choice("<>")
    width = rng.choice("BHI")
    value = rng.choice(_NUMBERS) & ((1 << 8 * struct.calcsize(width)) - 1)
    data[at : at + struct.calcsize(width)] = struct.pack(order + width, value)


def _cut(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _drop(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 16, 200))]


def _double(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = data[at : at + rng.choice((1, 16, 400))] * rng.choice((1, 1, 20))


def _graft(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    start = rng.randrange(len(other)) if other else 0
    at = _place(rng, data)
    data[at : at + rng.choice((0, 16, 400))] = other[start : start + rng.choice((16, 400))]


_FAULTS: tuple[Fault, ...] = (_flip, _flip, _noise, _number, _number, _cut, _drop, _double, _graft)
