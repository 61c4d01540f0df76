"""Who is in the picture: an identity seed draws a person, and a code describes that person.

Needs numpy alone, no data pack, so that a generator can be conditioned on identities anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.masculinity import MASCULINITY
from synfer_core.facekit.palette import (
    AGE_BOUNDS,
    BEARDS,
    EYE_COLOURS,
    FRAME_COLOURS,
    GLASSES,
    HAIR_COLOURS,
    HAIR_STYLES,
    SEXES,
    SKIN_TONES_SRGB8,
    SKIN_WORDS,
    UNDERTONES,
    age_word,
    linear_to_srgb,
    srgb_to_linear,
)

Vector = NDArray[np.float32]
RGB = tuple[float, float, float]
_Tone = tuple[float, float, RGB]
MODES = 100
CODE_MODES = 50

_STREAM = 77  # names the random stream of identities; another number is another population
_MEN_HAIR = MappingProxyType(
    {
        "bald": 0.09,
        "buzz": 0.13,
        "short": 0.25,
        "sidepart": 0.14,
        "slick": 0.07,
        "quiff": 0.08,
        "curly_short": 0.10,
        "afro": 0.03,
        "long": 0.03,
        "long_wavy": 0.03,
        "receding": 0.02,
    }
)
_WOMEN_HAIR = MappingProxyType(
    {
        "bob": 0.13,
        "bob_bangs": 0.07,
        "long": 0.19,
        "long_wavy": 0.15,
        "long_bangs": 0.07,
        "curly_short": 0.04,
        "afro": 0.02,
        "curly_long": 0.12,
        "tied": 0.13,
        "short": 0.05,
        "buzz": 0.02,
        "sidepart": 0.03,
    }
)
_WARMTH = MappingProxyType({"cool": -1.01, "neutral": -0.25, "warm": 0.51})
_BEARD_WEIGHTS = (0.42, 0.22, 0.15, 0.1, 0.06, 0.05)
_GLASSES_WEIGHTS = (0.84, 0.06, 0.06, 0.04)


@dataclass(frozen=True)
class Skin:
    """Tone 0-9 (light to dark), warmth of the undertone, and strengths of what varies on it."""

    tone: float
    warmth: float
    srgb: RGB
    blush: float
    under_eye: float
    freckles: float
    blotches: float
    wrinkles: float
    pores: float
    oil: float
    noise_offset: tuple[float, float]

    @property
    def step(self) -> int:
        """Skin tone as a whole step, 1 (very fair) to 10 (very deep)."""
        return round(self.tone) + 1

    @property
    def word(self) -> str:
        """The step in words, one of `SKIN_WORDS`."""
        return SKIN_WORDS[self.step - 1]

    @property
    def undertone(self) -> str:
        """``warm``, ``neutral`` or ``cool``."""
        return "warm" if self.warmth > 0.5 else "cool" if self.warmth < -0.5 else "neutral"

    @property
    def linear(self) -> NDArray[np.float64]:
        """Albedo in linear RGB."""
        return srgb_to_linear(self.srgb)


@dataclass(frozen=True)
class Hair:
    """Style, colour (linear RGB) and how it grows; lengths in centimetres."""

    style: str
    colour: str
    rgb: RGB
    hairline: float
    recession: float
    bare_crown: bool
    parting: float
    volume: float
    direction: float
    seed: int


@dataclass(frozen=True)
class Brow:
    """Shape of the eyebrows; thickness and density are factors, the rest centimetres."""

    thickness: float
    density: float
    height: float
    arch: float
    start: float
    end: float


@dataclass(frozen=True)
class Eyes:
    """Colour name, pupil radius as a share of the iris, and the iris's texture noise (32, 256)."""

    colour: str
    pupil: float
    texture: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Identity:
    """One person. `shape` holds the weights of FaceKit's 100 identity modes.

    `sex` and `age` are apparent: what the face and its styling suggest.
    """

    seed: int
    sex: str
    age: float
    shape: Vector
    skin: Skin
    hair: Hair
    beard: str
    stubble: float
    brow: Brow
    eyes: Eyes
    lip_tint: RGB
    glasses: str
    frame_rgb: RGB

    @property
    def age_word(self) -> str:
        """``young``, ``middle-aged`` or ``older``."""
        return age_word(self.age)


def split_of(identity: int) -> str:
    """``train`` (90 %), ``val`` (5 %) or ``test`` (5 %): a pure function of the identity seed."""
    digest = hashlib.blake2b(f"synfer identity {identity}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "little") / 2**64
    return "train" if share < 0.9 else "val" if share < 0.95 else "test"


# --- drawing a person -----------------------------------------------------------------------
# The order of the draws below is part of the format: it decides who each seed is.


def draw_identity(seed: int, **fixed: Any) -> Identity:
    """Draw the person that belongs to a seed, with some traits fixed.

    Args:
        seed: Identity seed, 0 or more.
        fixed: Traits not left to chance: ``sex``, ``age`` (years 18-80, or ``young``,
            ``middle-aged``, ``older``), ``skin_tone`` (1-10) or ``skin_word``, ``undertone``,
            ``eye_colour``, ``hair``, ``hair_colour``, ``beard``, ``freckles`` (bool), ``glasses``.
            None leaves the trait to chance.

    Raises:
        RequestError: A trait or its value is not known.
    """
    if seed < 0:
        raise RequestError("an identity seed is 0 or more", field="identity_seed", allowed=">= 0")
    want = check_traits(fixed)
    r = np.random.default_rng([_STREAM, int(seed)])
    sex = _draw_sex(r, want)
    man = sex == "man"
    shape = _draw_shape(r, man)
    age = _draw_age(r, want)
    tone = _draw_tone(r, want)
    eye_colour = _draw_eye_colour(r, tone[0], want)
    hair = _draw_hair(r, man, age, tone[0], want)
    beard, stubble = _draw_beard(r, man, want)
    brow = _draw_brow(r, man)
    skin = _draw_skin(r, age, tone, want)
    lips = r.uniform(0.75, 1.15, 3)
    eyes = Eyes(eye_colour, float(r.uniform(0.3, 0.48)), r.normal(size=(32, 256)))
    glasses = want.get("glasses", str(r.choice(GLASSES, p=_GLASSES_WEIGHTS)))
    frame = FRAME_COLOURS[r.integers(5)]
    return Identity(
        *(int(seed), sex, age, shape, skin, hair, beard, stubble, brow, eyes),
        *(_rgb(lips), glasses, frame),
    )


def _rgb(values: NDArray[np.float64]) -> RGB:
    return float(values[0]), float(values[1]), float(values[2])


def _draw_sex(r: np.random.Generator, want: Mapping[str, Any]) -> str:
    drawn = "woman" if r.random() < 0.5 else "man"
    return str(want.get("sex", drawn))


def _draw_shape(r: np.random.Generator, man: bool) -> Vector:
    weights = np.clip(r.normal(0, 1, MODES) * 0.82, -2.3, 2.3)
    target = r.normal(1.35 if man else -1.35, 0.55)
    weights += (target - weights @ MASCULINITY) * MASCULINITY
    return weights.astype(np.float32)


def _draw_age(r: np.random.Generator, want: Mapping[str, Any]) -> float:
    drawn = float(np.clip(r.beta(1.6, 2.2) * 62 + 18, 18, 80))
    age = want.get("age", drawn)
    if isinstance(age, str):
        low, high = AGE_BOUNDS[age]
        return low + (high - low) * (drawn - 18) / 62.001
    return float(age)


def _draw_tone(r: np.random.Generator, want: Mapping[str, Any]) -> _Tone:
    tone = r.random() * 9
    if "skin_tone" in want:
        tone = float(np.clip(want["skin_tone"] - 1 + (tone % 1 - 0.5) * 0.98, 0, 9))
    low, part = int(tone), tone - int(tone)
    table = np.array(SKIN_TONES_SRGB8, float)
    base = table[low] * (1 - part) + table[min(low + 1, 9)] * part
    warmth = r.normal(0, 1)
    if "undertone" in want:
        warmth = (
            abs(warmth) % 0.5 + {"cool": -1.0, "neutral": -0.25, "warm": 0.51}[want["undertone"]]
        )
    base = np.clip(base * np.array([1, 1 + 0.006 * warmth, 1 - 0.026 * warmth]), 5, 252)
    return tone, float(warmth), _rgb(base / 255.0)


def _draw_eye_colour(r: np.random.Generator, tone: float, want: Mapping[str, Any]) -> str:
    d = tone / 9
    weights = np.array(
        [
            0.05 + 0.7 * min(1, d * 1.6),
            0.3,
            0.14 * (1 - d),
            0.12 * (1 - d),
            0.35 * max(0, 1 - d * 1.5),
            0.09 * (1 - d),
        ]
    )
    drawn = str(r.choice(list(EYE_COLOURS), p=weights / weights.sum()))
    return str(want.get("eye_colour", drawn))


def _hair_colour_weights(age: float, tone: float) -> NDArray[np.float64]:
    d = tone / 9
    weights = np.array(
        [
            0.3 + 1.6 * d,
            0.5,
            0.5 * (1 - d),
            0.4 * (1 - d),
            0.14 * (1 - d),
            0.22 * max(0, 1 - d * 2),
            0.3 * max(0, 1 - d * 1.5),
            0.4 * max(0, 1 - d * 1.4),
            0.1 * (1 - d),
            0,
            0.0,
        ]
    )
    if age > 50:
        greying = min(0.75, (age - 48) / 30)
        weights *= (1 - greying) / weights.sum()
        weights[9] = greying * 0.6
        weights[10] = greying * 0.4
    return np.asarray(weights / weights.sum())


def _hair_style_weights(man: bool, age: float, tone: float) -> dict[str, float]:
    weights = dict(_MEN_HAIR if man else _WOMEN_HAIR)
    weights["afro"] += 0.07 * (tone / 9)
    if man:
        weights["receding"] += 0.12 * (age > 42)
    return weights


def _draw_hair(
    r: np.random.Generator, man: bool, age: float, tone: float, want: Mapping[str, Any]
) -> Hair:
    drawn = str(r.choice(list(HAIR_COLOURS), p=_hair_colour_weights(age, tone)))
    colour = str(want.get("hair_colour", drawn))
    rgb = np.array(HAIR_COLOURS[colour]) * np.exp(r.normal(0, 0.15))
    rgb = rgb * np.exp(r.normal(0, 0.04, 3))
    weights = _hair_style_weights(man, age, tone)
    p = np.array(list(weights.values()))
    style = str(want.get("hair", str(r.choice(list(weights), p=p / p.sum()))))
    hairline = float(r.normal(0.0, 0.35) + (0.1 if man else -0.55))
    recession = float(max(0, r.normal(0.2 if man else -0.4, 0.6) + (age - 40) * 0.02 * man))
    bare = False
    if style == "receding":
        hairline, recession, bare = hairline + 1.0, 3.0, bool(r.random() < 0.4)
    parting = float(r.choice([-3.4, 3.4] if style == "sidepart" else [-2.8, 2.8, 0, 0.6, -0.6]))
    volume, direction = float(r.random()), float(r.choice([-1, 1]))
    seed = int(r.integers(1 << 30))
    return Hair(
        style, colour, _rgb(rgb), hairline, recession, bare, parting, volume, direction, seed
    )


def _draw_beard(r: np.random.Generator, man: bool, want: Mapping[str, Any]) -> tuple[str, float]:
    beard = str(r.choice(BEARDS, p=_BEARD_WEIGHTS)) if man else "none"
    shadow = float(r.uniform(0.08, 0.3) * man)
    return str(want.get("beard", beard)), shadow


def _draw_brow(r: np.random.Generator, man: bool) -> Brow:
    return Brow(
        thickness=float(np.clip(r.normal(1.15 if man else 0.85, 0.22), 0.5, 1.7)),
        density=float(r.uniform(0.75, 1.25) * (1.1 if man else 0.95)),
        height=float(np.clip(r.normal(-0.34 if man else -0.16, 0.13), -0.6, 0.12)),
        arch=float(r.normal(-0.08 if man else 0.06, 0.10)),
        start=float(r.normal(1.25, 0.18)),
        end=float(r.normal(5.5, 0.25)),
    )


def _draw_skin(r: np.random.Generator, age: float, tone: _Tone, want: Mapping[str, Any]) -> Skin:
    ageing = (age - 18) / 62
    blush = float(r.uniform(0.15, 0.62))
    under_eye = float(r.uniform(0.05, 0.35) + ageing * 0.25)
    freckled = bool(r.random() < (0.22 if tone[0] / 9 < 0.35 else 0.04))
    freckles = float(r.uniform(0.3, 0.75) * want.get("freckles", freckled))
    blotches = float(r.uniform(0.25, 0.8) + ageing * 0.4)
    wrinkles = float(np.clip((age - 28) / 42, 0, 1) * r.uniform(0.6, 1.2))
    pores, oil = float(r.uniform(0.0012, 0.0036)), float(r.uniform(0.35, 0.95))
    x, y = r.random(2) * 512
    offset = (float(x), float(y))
    return Skin(*tone, blush, under_eye, freckles, blotches, wrinkles, pores, oil, offset)


_ALLOWED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sex": SEXES,
        "skin_word": SKIN_WORDS,
        "undertone": UNDERTONES,
        "eye_colour": tuple(EYE_COLOURS),
        "hair": HAIR_STYLES,
        "hair_colour": tuple(HAIR_COLOURS),
        "beard": BEARDS,
        "glasses": GLASSES,
    }
)
TRAITS = (*_ALLOWED, "age", "skin_tone", "freckles")
"""Traits that `draw_identity` and `sample_code` can fix."""


def check_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits given by a caller, checked, without those that are None; words for skin resolved.

    Raises:
        RequestError: A trait or its value is not known.
    """
    checked = {k: _check_trait(k, v) for k, v in traits.items() if v is not None}
    if "skin_word" in checked:
        checked.setdefault("skin_tone", SKIN_WORDS.index(checked.pop("skin_word")) + 1)
    return checked


def _check_trait(name: str, value: Any) -> Any:
    if name not in TRAITS:
        raise RequestError("is not a trait known here", field=name, allowed=", ".join(TRAITS))
    if name in _ALLOWED and value not in _ALLOWED[name]:
        allowed = ", ".join(_ALLOWED[name])
        raise RequestError(f"{value!r} is not known", field=name, allowed=allowed)
    if name == "freckles" and not isinstance(value, bool):
        raise RequestError("is true or false", field=name, allowed="true, false")
    if name == "skin_tone":
        return _check_number(name, value, 1, 10)
    if name == "age" and value not in AGE_BOUNDS:
        return _check_number(name, value, 18, 80)
    return value


def _check_number(name: str, value: Any, low: float, high: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise RequestError(f"{value!r} is out of range", field=name, allowed=f"{low} to {high}")
    return float(value)


def with_hair(person: Identity) -> Identity:
    """The person with hair: as they are, or where bald in a style that their seed draws."""
    if person.hair.style != "bald":
        return person
    weights = _hair_style_weights(person.sex == "man", person.age, person.skin.tone)
    kept = {style: p for style, p in weights.items() if style not in ("bald", "receding")}
    style = _drawn(person, kept)
    return replace(person, hair=replace(person.hair, style=style))


def with_beard(person: Identity) -> Identity:
    """The person with a beard: as they are, or without one in a kind that their seed draws."""
    if person.beard != "none":
        return person
    kinds = dict(zip(BEARDS, _BEARD_WEIGHTS, strict=True))
    del kinds["none"]
    return replace(person, beard=_drawn(person, kinds))


def _drawn(person: Identity, weights: Mapping[str, float]) -> str:
    """One of the names, always the same for a person."""
    p = np.array(list(weights.values()))
    rng = np.random.default_rng([_STREAM, person.seed, 1])
    return str(rng.choice(list(weights), p=p / p.sum()))


# --- the code -------------------------------------------------------------------------------

_GROUP_WIDTHS = MappingProxyType(
    {"shape": CODE_MODES, "sex_age": 2, "skin": 3, "hair": 19, "beard": 6, "brow": 4, "eye": 3}
)
DETAILS = (
    "blush",
    "under_eye",
    "freckles",
    "blotches",
    "wrinkles",
    "oil",
    "stubble",
    "hairline",
    "recession",
    "bare_crown",
    "parting",
    "volume",
    "direction",
)
"""What the numbers of the group ``detail`` stand for."""


def _groups() -> dict[str, slice]:
    groups: dict[str, slice] = {}
    start = 0
    for name, width in {**_GROUP_WIDTHS, "detail": len(DETAILS)}.items():
        groups[name] = slice(start, start + width)
        start += width
    return groups


IDENTITY_GROUPS: Mapping[str, slice] = MappingProxyType(_groups())
"""Where each group of the identity code lies."""
CODE_SIZE = IDENTITY_GROUPS["detail"].stop
"""Length of the identity code."""

_MASCULINE_SPAN = 2.7
_HAIRLINE_SPAN, _RECESSION_SPAN, _PARTING_SPAN, _STUBBLE_SPAN = 2.0, 3.0, 3.4, 0.3


def identity_code(identity: Identity) -> Vector:
    """The person as a vector of `CODE_SIZE` numbers, grouped by `IDENTITY_GROUPS`.

    Groups: ``shape`` first 50 identity modes (about unit variance); ``sex_age`` masculine -1 to 1
    and age 0-1; ``skin`` sRGB 0-1; ``hair`` style one-hot (`HAIR_STYLES`) and sRGB; ``beard``
    one-hot (`BEARDS`); ``brow`` thickness, density, height, arch; ``eye`` sRGB; ``detail`` see
    `DETAILS`. Glasses and make-up are left out: words decide those.
    """
    hair = identity.hair
    parts = {
        "shape": identity.shape[:CODE_MODES],
        "sex_age": (_masculine(identity), (identity.age - 18) / 62),
        "skin": identity.skin.srgb,
        "hair": (*_one_hot(hair.style, HAIR_STYLES), *_srgb_code(hair.rgb)),
        "beard": _one_hot(identity.beard, BEARDS),
        "brow": _brow_code(identity.brow),
        "eye": _srgb_code(np.mean(EYE_COLOURS[identity.eyes.colour], axis=0)),
        "detail": tuple(_details(identity)[name] for name in DETAILS),
    }
    code = np.empty(CODE_SIZE, np.float32)
    for name, where in IDENTITY_GROUPS.items():
        code[where] = parts[name]
    return code


def sample_code(seed: int, **fixed: Any) -> Vector:
    """The code of a person drawn by a seed, with some traits fixed (see `draw_identity`).

    Raises:
        RequestError: A trait or its value is not known.
    """
    return identity_code(draw_identity(seed, **fixed))


def identity_from_code(code: NDArray[Any], base: Identity) -> Identity:
    """The person a code describes; what the code leaves out comes from `base`.

    Noise textures, glasses and the modes beyond the first 50 are `base`'s own.

    Raises:
        RequestError: The code has the wrong length or holds values that are not finite.
    """
    c = np.asarray(code, np.float64)
    if c.shape != (CODE_SIZE,) or not np.isfinite(c).all():
        allowed = f"{CODE_SIZE} finite numbers"
        raise RequestError("is not an identity code", field="identity_code", allowed=allowed)
    part = {name: c[where] for name, where in IDENTITY_GROUPS.items()}
    shape = base.shape.copy()
    shape[:CODE_MODES] = part["shape"]
    return replace(
        base,
        sex="man" if part["sex_age"][0] > 0 else "woman",
        age=float(np.clip(part["sex_age"][1] * 62 + 18, 18, 80)),
        shape=shape,
        beard=BEARDS[int(part["beard"].argmax())],
        stubble=float(_detail(part, "stubble") * _STUBBLE_SPAN),
        skin=_skin_from_code(part, base.skin),
        hair=_hair_from_code(part, base.hair),
        brow=_brow_from_code(part["brow"], base.brow),
        eyes=replace(base.eyes, colour=_nearest_eye_colour(part["eye"])),
    )


def _brow_code(brow: Brow) -> tuple[float, ...]:
    return brow.thickness - 1, (brow.density - 1) * 2, (brow.height + 0.25) * 2, brow.arch * 4


def _masculine(identity: Identity) -> float:
    """-1 to 1: the sign is the apparent sex, the size how far the shape goes that way."""
    sign = 1.0 if identity.sex == "man" else -1.0
    strength = sign * float(identity.shape @ MASCULINITY) / _MASCULINE_SPAN
    return sign * float(np.clip(0.5 + 0.5 * strength, 0.05, 1.0))


def _one_hot(value: str, values: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(float(v == value) for v in values)


def _srgb_code(linear: RGB | NDArray[np.float64]) -> RGB:
    return _rgb(np.clip(linear_to_srgb(linear), 0, 1))


def _details(identity: Identity) -> dict[str, float]:
    skin, hair = identity.skin, identity.hair
    return {
        "blush": skin.blush,
        "under_eye": skin.under_eye,
        "freckles": skin.freckles,
        "blotches": skin.blotches,
        "wrinkles": skin.wrinkles,
        "oil": skin.oil,
        "stubble": identity.stubble / _STUBBLE_SPAN,
        "hairline": hair.hairline / _HAIRLINE_SPAN,
        "recession": hair.recession / _RECESSION_SPAN,
        "bare_crown": float(hair.bare_crown),
        "parting": hair.parting / _PARTING_SPAN,
        "volume": hair.volume,
        "direction": hair.direction,
    }


def _detail(part: Mapping[str, NDArray[np.float64]], name: str) -> float:
    return float(part["detail"][DETAILS.index(name)])


def _skin_from_code(part: Mapping[str, NDArray[np.float64]], base: Skin) -> Skin:
    srgb = np.clip(part["skin"], 5 / 255, 252 / 255)
    table = np.array(SKIN_TONES_SRGB8) / 255.0
    tone = float(np.interp(-srgb[0], -table[:, 0], np.arange(10)))
    return replace(
        base,
        srgb=_rgb(srgb),
        tone=tone,
        blush=_detail(part, "blush"),
        under_eye=_detail(part, "under_eye"),
        freckles=_detail(part, "freckles"),
        blotches=_detail(part, "blotches"),
        wrinkles=_detail(part, "wrinkles"),
        oil=_detail(part, "oil"),
    )


def _hair_from_code(part: Mapping[str, NDArray[np.float64]], base: Hair) -> Hair:
    style, srgb = part["hair"][:16], np.clip(part["hair"][16:], 0, 1)
    rgb = srgb_to_linear(srgb)
    named = np.log(np.array(list(HAIR_COLOURS.values())))
    nearest = int(((named - np.log(np.maximum(rgb, 1e-3))) ** 2).sum(1).argmin())
    return replace(
        base,
        style=HAIR_STYLES[int(style.argmax())],
        colour=tuple(HAIR_COLOURS)[nearest],
        rgb=_rgb(rgb),
        hairline=_detail(part, "hairline") * _HAIRLINE_SPAN,
        recession=_detail(part, "recession") * _RECESSION_SPAN,
        bare_crown=_detail(part, "bare_crown") > 0.5,
        parting=_detail(part, "parting") * _PARTING_SPAN,
        volume=_detail(part, "volume"),
        direction=_detail(part, "direction"),
    )


def _brow_from_code(code: NDArray[np.float64], base: Brow) -> Brow:
    thickness, density, height, arch = (float(v) for v in code)
    return replace(
        base,
        thickness=thickness + 1,
        density=density / 2 + 1,
        height=height / 2 - 0.25,
        arch=arch / 4,
    )


def _nearest_eye_colour(srgb: NDArray[np.float64]) -> str:
    names = list(EYE_COLOURS)
    known = np.array([_srgb_code(np.mean(EYE_COLOURS[n], axis=0)) for n in names])
    return names[int(((known - srgb) ** 2).sum(1).argmin())]
