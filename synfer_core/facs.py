"""The vocabulary: expressions, action units (FACS), intensities and prototypes.

Intensity is 0-5 wherever a person or a file sees it (0 absent, A=1 trace, B=2 slight, C=3 marked,
D=4 severe, E=5 maximum; Ekman, Friesen and Hager 2002) and 0-1 inside the models; `to_slots` is the
one place where the two meet. Sides are the subject's: left is on the right of the image.
Keys follow OpenGraphAU: ``AU12`` is both sides, ``AUL12`` and ``AUR12`` one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from synfer_core.errors import RequestError, UnsupportedError

Expression = Literal[
    "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"
]
EXPRESSIONS: tuple[Expression, ...] = get_args(Expression)
"""The eight expressions in AffectNet's order."""

MAX_INTENSITY = 5.0
MAX_KEYS = 100
"""AU keys that one face may be given: there are fewer, their aliases and sides included."""
MAX_FACS = 1000
"""Letters of a FACS string."""
LEAST_READING = 0.25
"""Intensity below which a reading of an AU on a picture counts as absent."""
INTENSITY_LETTERS = MappingProxyType({"A": 1.0, "B": 2.0, "C": 3.0, "D": 4.0, "E": 5.0})
INTENSITY_WORDS = MappingProxyType(
    {"A": "trace", "B": "slight", "C": "marked", "D": "severe", "E": "maximum"}
)


@dataclass(frozen=True)
class ActionUnit:
    """One action unit of FACS.

    Attributes:
        number: FACS number.
        name: FACS name, such as ``lip corner puller``.
        region: Face region: ``brow``, ``eye``, ``nose``, ``cheek``, ``mouth`` or ``jaw``.
        help: Plain words for someone who does not know FACS.
        sided: Whether left and right can be set apart.
    """

    number: int
    name: str
    region: str
    help: str
    sided: bool

    @property
    def key(self) -> str:
        """The both-sides key, such as ``AU12``."""
        return f"AU{self.number}"


_TABLE = (
    (1, "inner brow raiser", "brow", "raises the inner ends of the eyebrows", True),
    (2, "outer brow raiser", "brow", "raises the outer ends of the eyebrows", True),
    (4, "brow lowerer", "brow", "lowers the eyebrows and draws them together", True),
    (5, "upper lid raiser", "eye", "opens the eyes wide", True),
    (6, "cheek raiser", "cheek", "lifts the cheeks and gathers the skin around the eyes", True),
    (7, "lid tightener", "eye", "narrows the eyes", True),
    (9, "nose wrinkler", "nose", "wrinkles the nose", True),
    (10, "upper lip raiser", "mouth", "lifts the upper lip", True),
    (12, "lip corner puller", "mouth", "pulls the lip corners up: a smile", True),
    (14, "dimpler", "mouth", "tightens the lip corners and pulls them inward", True),
    (15, "lip corner depressor", "mouth", "pulls the lip corners down", True),
    (17, "chin raiser", "mouth", "pushes the chin and the lower lip up", False),
    (18, "lip pucker", "mouth", "draws the lips together, as for a kiss", False),
    (20, "lip stretcher", "mouth", "stretches the lips sideways", True),
    (22, "lip funneler", "mouth", "funnels the lips forward, as in saying oh", False),
    (23, "lip tightener", "mouth", "tightens and thins the lips", False),
    (24, "lip pressor", "mouth", "presses the lips together", True),
    (25, "lips part", "mouth", "parts the lips", False),
    (26, "jaw drop", "jaw", "lets the jaw drop", False),
    (27, "mouth stretch", "jaw", "stretches the mouth wide open", False),
    (28, "lip suck", "mouth", "sucks the lips in over the teeth", False),
    (43, "eye closure", "eye", "closes the eyes", True),
)

ACTION_UNITS: Mapping[int, ActionUnit] = MappingProxyType(
    {row[0]: ActionUnit(*row) for row in _TABLE}
)
"""The action units of the built-in model, by FACS number."""


class Phrase(NamedTuple):
    """An action unit in words, as training captions and enriched prompts have it.

    Attributes:
        predicate: What moves and how; an adverb of degree may follow.
        noun: The same as a thing that is seen.
        one_side: The predicate of one side, with ``{side}`` for left or right; None without sides.
    """

    predicate: str
    noun: str
    one_side: str | None


AU_PHRASES: Mapping[int, Phrase] = MappingProxyType(
    {
        1: Phrase("inner brows raised", "inner eyebrows lifted", "the {side} inner brow raised"),
        2: Phrase("outer brows raised", "outer eyebrows lifted", "the {side} outer brow raised"),
        4: Phrase("brows lowered", "a furrowed brow", "the {side} brow lowered"),
        5: Phrase("upper lids raised", "eyes opened wide", "the {side} upper lid raised"),
        6: Phrase("cheeks raised", "raised cheeks", "the {side} cheek raised"),
        7: Phrase("lids tightened", "narrowed eyes", "the {side} lids tightened"),
        9: Phrase("nose wrinkled", "a wrinkled nose", "the {side} side of the nose wrinkled"),
        10: Phrase("upper lip raised", "a raised upper lip", "the {side} upper lip raised"),
        12: Phrase("lip corners pulled up", "a smile", "the {side} lip corner pulled up"),
        14: Phrase("dimpled lip corners", "tightened lip corners", "the {side} lip corner dimpled"),
        15: Phrase(
            "lip corners pulled down", "a downturned mouth", "the {side} lip corner pulled down"
        ),
        17: Phrase("chin raised", "a pushed-up chin", None),
        18: Phrase("lips puckered", "puckered lips", None),
        20: Phrase("lips stretched", "lips stretched sideways", "lips stretched to the {side}"),
        22: Phrase("lips funnelled", "funnelled lips", None),
        23: Phrase("lips tightened", "tightened lips", None),
        24: Phrase("lips pressed", "lips pressed together", "lips pressed on the {side}"),
        25: Phrase("lips parted", "parted lips", None),
        26: Phrase("jaw dropped", "a dropped jaw", None),
        27: Phrase("mouth stretched open", "a wide open mouth", None),
        28: Phrase("lips sucked in", "lips rolled inward", None),
        43: Phrase("eyes closed", "closed eyes", "the {side} eye closed"),
    }
)
"""Every action unit in words; the denoiser learned them from captions."""

ALIASES = MappingProxyType({45: 43})
"""Numbers that mean another unit: a still image cannot tell a blink (45) from closed eyes (43)."""

KNOWN_ELSEWHERE = MappingProxyType(
    {
        11: "nasolabial deepener",
        13: "sharp lip puller",
        16: "lower lip depressor",
        19: "tongue show",
        32: "lip bite",
        38: "nostril dilator",
        39: "nostril compressor",
    }
)
"""Units of OpenGraphAU's 41 that the built-in model does not have."""

AU_SLOTS: tuple[str, ...] = tuple(
    key
    for au in ACTION_UNITS.values()
    for key in ((f"AUL{au.number}", f"AUR{au.number}") if au.sided else (au.key,))
)
"""One model input for each AU and side, in table order."""


def _mirrored(slot: str) -> str:
    return slot.replace("AUL", "AUr").replace("AUR", "AUL").replace("AUr", "AUR")


MIRRORED_SLOTS: tuple[int, ...] = tuple(AU_SLOTS.index(_mirrored(slot)) for slot in AU_SLOTS)
"""For each AU slot, the index of the same unit on the other side (itself where it has none)."""

PROTOTYPES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "neutral": MappingProxyType({}),
        "happiness": MappingProxyType({"AU6": 3.0, "AU12": 4.0, "AU25": 2.0}),
        "sadness": MappingProxyType({"AU1": 3.0, "AU4": 2.0, "AU15": 3.0, "AU17": 2.0}),
        "surprise": MappingProxyType(
            {"AU1": 3.0, "AU2": 3.0, "AU5": 2.0, "AU25": 2.0, "AU26": 3.0}
        ),
        "fear": MappingProxyType(
            {
                "AU1": 3.0,
                "AU2": 3.0,
                "AU4": 2.0,
                "AU5": 4.0,
                "AU7": 2.0,
                "AU20": 3.0,
                "AU25": 2.0,
                "AU26": 2.0,
            }
        ),
        "disgust": MappingProxyType({"AU9": 4.0, "AU10": 2.0, "AU17": 2.0}),
        "anger": MappingProxyType({"AU4": 4.0, "AU5": 2.0, "AU7": 3.0, "AU23": 3.0, "AU24": 2.0}),
        "contempt": MappingProxyType({"AUR12": 2.0, "AUR14": 3.0}),
    }
)
"""Start values of the presets (EMFACS-style prototypes); users edit them.

Fear has the upper lid raised at D and the jaw dropped, 1+2+4+5+7+20+25+26: the Investigator's Guide
of FACS (Ekman, Friesen and Hager 2002) lists it with 25, 26 or 27, and the upper lid tells it from
sadness.
"""

SYNONYMS: Mapping[str, Expression] = MappingProxyType(
    {
        **{name: name for name in EXPRESSIONS},
        "happy": "happiness",
        "sad": "sadness",
        "surprised": "surprise",
        "afraid": "fear",
        "fearful": "fear",
        "disgusted": "disgust",
        "angry": "anger",
        "contemptuous": "contempt",
    }
)
"""Names of classes as folders and manifests have them, lower case."""

_KEY = re.compile(r"AU([LR]?)(\d{1,2})")
_TERM = re.compile(r"([LRB]?)(?:AU)?([LRB]?)(\d{1,2})([A-E]?)")
_UNGRADED = "C"
"""Letter of a unit that is written without one: FACS then says only that it is there."""
_RANGE = "0 to 5"


def _unit(number: int, field: str) -> ActionUnit:
    number = ALIASES.get(number, number)
    if number in ACTION_UNITS:
        return ACTION_UNITS[number]
    allowed = ", ".join(str(n) for n in ACTION_UNITS)
    if number in KNOWN_ELSEWHERE:
        name = KNOWN_ELSEWHERE[number]
        raise UnsupportedError(
            f"this backbone can't do AU{number} ({name})", field=field, allowed=allowed
        )
    raise RequestError(f"AU{number} is not an action unit known here", field=field, allowed=allowed)


def canonical_key(key: str) -> str:
    """The key with aliases resolved: ``AU45`` becomes ``AU43``.

    Raises:
        RequestError: The key is malformed, unknown, or a side of a unit without sides.
        UnsupportedError: The unit is known to FACS but not to the built-in model.
    """
    field = f"aus.{key}"
    match = _KEY.fullmatch(key)
    if not match:
        raise RequestError("is not an AU key", field=field, allowed="AU12, AUL12 or AUR12")
    unit = _unit(int(match[2]), field)
    if match[1] and not unit.sided:
        raise RequestError(f"{unit.key} has no sides here", field=field, allowed=unit.key)
    return f"AU{match[1]}{unit.number}"


def _check_intensity(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError("intensity must be a number", field=f"aus.{key}", allowed=_RANGE)
    if not 0.0 <= value <= MAX_INTENSITY:  # compared as it is: a long integer is no float
        shown = f"{value:g}" if isinstance(value, float) else str(value)[:20]
        raise RequestError(f"intensity {shown} is out of range", field=f"aus.{key}", allowed=_RANGE)
    return float(value)


def validate_aus(aus: Mapping[str, object]) -> dict[str, float]:
    """Check AU keys and intensities (0-5) and resolve aliases.

    Raises:
        RequestError: A key or intensity is not allowed, or one AU is set for both sides and for
            one side, or twice through an alias.
    """
    if len(aus) > MAX_KEYS:
        raise RequestError(f"{len(aus):,} keys", field="aus", allowed=f"at most {MAX_KEYS}")
    checked: dict[str, float] = {}
    for key, value in aus.items():
        canonical = canonical_key(key)
        clash = sorted(set(_same_unit(canonical)) & set(checked))
        if clash:
            raise RequestError(
                f"set together with {', '.join(clash)}, which moves the same muscle",
                field=f"aus.{key}",
                allowed="one both-sides value, or one value for each side",
            )
        checked[canonical] = _check_intensity(key, value)
    return checked


def _same_unit(key: str) -> tuple[str, ...]:
    """Keys that may not stand beside `key`."""
    match = _KEY.fullmatch(key)
    assert match
    side, number = match[1], match[2]
    if side:
        return (key, f"AU{number}")
    return (key, f"AUL{number}", f"AUR{number}")


def parse_facs(text: str) -> dict[str, float]:
    """Read a FACS string such as ``1C+2C+5B+26D`` or ``L12C`` into AU keys and intensities 0-5.

    As people write it: ``AU6+AU12``, ``6C, 12D``, ``B12C`` for both sides. A unit without a letter
    is taken at C.

    Raises:
        RequestError: A term is malformed or not allowed; the empty string is a neutral face.
    """
    if len(text) > MAX_FACS:
        allowed = f"at most {MAX_FACS:,} letters"
        raise RequestError("is too long", field="facs", allowed=allowed)
    aus: dict[str, float] = {}
    for term in _terms(text):
        match = _TERM.fullmatch(term)
        if not match or (match[1] and match[2]):
            raise RequestError(
                f"cannot read {term[:20]!r}", field="facs", allowed="terms like 12C, L12C or R14B"
            )
        key = f"AU{(match[1] or match[2]).replace('B', '')}{int(match[3])}"
        if key in aus:
            raise RequestError(f"{term} comes twice", field="facs", allowed="each unit once")
        aus[key] = INTENSITY_LETTERS[match[4] or _UNGRADED]
    return validate_aus(aus)


def _terms(text: str) -> Iterator[str]:
    """The terms between plus signs, commas and semicolons, or where those are left out, spaces."""
    for part in re.split(r"[+,;]", text.upper()) if text.strip() else ():
        whole = "".join(part.split())
        several = re.search(r"\d\s+\d", part) or not _TERM.fullmatch(whole)
        yield from part.split() if several and whole else [whole]


def intensity_letter(intensity: float) -> str | None:
    """The nearest FACS letter, or None below half of A."""
    rank = min(5, math.floor(intensity + 0.5))
    return "ABCDE"[rank - 1] if rank >= 1 else None


def format_facs(aus: Mapping[str, float]) -> str:
    """Write AU keys and intensities (0-5) as a FACS string, each rounded to its nearest letter."""
    terms = []
    for key, value in sorted(aus.items(), key=lambda item: _sort_key(item[0])):
        letter = intensity_letter(value)
        if letter:
            terms.append(key.removeprefix("AU") + letter)
    return "+".join(terms)


def _sort_key(key: str) -> tuple[int, str]:
    match = _KEY.fullmatch(key)
    assert match
    return int(match[2]), match[1]


def to_slots(aus: Mapping[str, float]) -> tuple[float, ...]:
    """Validated AUs (0-5) as model inputs (0-1), in the order of `AU_SLOTS`."""
    slots = dict.fromkeys(AU_SLOTS, 0.0)
    for key, value in aus.items():
        for slot in slots_of(key):
            slots[slot] = value / MAX_INTENSITY
    return tuple(slots.values())


def from_slots(values: Iterable[float]) -> dict[str, float]:
    """Model values (0-1, `AU_SLOTS` order) as intensities 0-5, one key for each slot."""
    return dict(zip(AU_SLOTS, (v * MAX_INTENSITY for v in values), strict=True))


def slots_of(key: str) -> tuple[str, ...]:
    """The model slots that an AU key sets: itself, or both sides."""
    if key in AU_SLOTS:
        return (key,)
    return (key.replace("AU", "AUL"), key.replace("AU", "AUR"))
