"""Who is shown: apparent factors, combinations that come equally often, and people who have them.

All of it is apparent: what a face suggests. Words carry factors to a backbone
(`captions.attributes_in` reads them there), whoever draws the face; or `balanced` finds identity
seeds whose people have them anyway.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np

from synfer_core.errors import RequestError
from synfer_core.facekit.captions import HAIR_PHRASES, attributes_in
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.palette import (
    AGE_BOUNDS,
    BEARDS,
    EYE_COLOURS,
    GLASSES,
    HAIR_COLOURS,
    HAIR_STYLES,
    SEXES,
    SKIN_WORDS,
)

MAX_CELLS = 4096
MAX_SEARCHED = 20_000
"""Identity seeds that are looked at for people with wanted factors."""

Factor = Literal["sex", "age", "skin_tone", "hair", "hair_colour", "eye_colour", "beard", "glasses"]
FACTORS: Mapping[Factor, tuple[str, ...]] = MappingProxyType(
    {
        "sex": SEXES,
        "age": tuple(AGE_BOUNDS),
        "skin_tone": SKIN_WORDS,
        "hair": HAIR_STYLES,
        "hair_colour": tuple(HAIR_COLOURS),
        "eye_colour": tuple(EYE_COLOURS),
        "beard": BEARDS,
        "glasses": GLASSES,
    }
)
"""What can be asked for of a person, and its values; what none of it names is left to chance."""

Cell = Mapping[Factor, str]
"""One value of each factor that is asked for."""

SHOWN: tuple[Factor, ...] = ("sex", "age", "skin_tone", "hair", "hair_colour", "beard", "glasses")
"""Factors that a data set tells of each person."""

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "apparent_sex": "apparent sex of the person; what a face suggests, no fact",
        "apparent_age": "apparent age: young, middle-aged or older",
        "skin_tone": "skin tone in words, one of ten from very fair to very deep",
    }
)
"""Columns of tables that tell of a person, and what they hold; `columns` fills them."""

_COUNTED = ("buzz", "quiff", "bob", "bob_bangs", "afro", "bald")
_STREAM = 11


def cells(
    balance: Mapping[Factor, Sequence[str]], seed: int, field: str = "people.balance"
) -> tuple[Cell, ...]:
    """Combinations of values, in an order in which each run of them is balanced in each factor.

    The next is always the one whose values have come least often; among equals, a seed decides. A
    woman has no beard, so of combinations that differ in a woman's beard one is left.

    Raises:
        RequestError: There are more than `MAX_CELLS`.
    """
    values = [list(map(str, v)) for v in balance.values()]
    if np.prod([len(v) for v in values]) > MAX_CELLS:
        allowed = f"at most {MAX_CELLS:,} combinations"
        raise RequestError("too many values together", field=field, allowed=allowed)
    found = [
        _possible(dict(zip(balance, combination, strict=True)))
        for combination in itertools.product(*values)
    ]
    unique = list({tuple(cell.items()): cell for cell in found}.values())
    return tuple(unique[i] for i in _spread(unique, seed))


def factor_values(
    factor: object, values: object, usual: Mapping[Factor, tuple[str, ...]], field: str
) -> object:
    """The values of one factor as a file may name them, checked.

    Args:
        factor: A key of `FACTORS`.
        values: A list of its values, one of them, ``all``, or None for its usual ones.
        usual: Those; of a factor that is not here, all.
        field: The field they stand in, without the factor.

    Raises:
        RequestError: The factor or a value is not known, or a value comes twice.
    """
    place = f"{field}.{factor}"
    known = next((v for k, v in FACTORS.items() if k == factor), None)
    if known is None:
        raise RequestError("is no factor", field=place, allowed=", ".join(FACTORS))
    if values is None:
        return next((v for k, v in usual.items() if k == factor), known)
    if isinstance(values, str):
        values = known if values == "all" else (values,)
    if not isinstance(values, list | tuple) or not values or not all(v in known for v in values):
        raise RequestError(f"{values!r} is not known", field=place, allowed=", ".join(known))
    if len(set(values)) < len(values):
        raise RequestError("a value comes twice", field=place, allowed="each once")
    return values


def factors_as_mapping(balance: object, field: str) -> object:
    """A list of factors as a mapping to None, which stands for their usual values.

    Raises:
        RequestError: A factor comes twice.
    """
    if not isinstance(balance, list | tuple) or not all(isinstance(name, str) for name in balance):
        return balance
    if len(set(balance)) < len(balance):
        raise RequestError("a factor comes twice", field=field, allowed="each once")
    return dict.fromkeys(balance)


@lru_cache(maxsize=MAX_SEARCHED)
def traits_of(seed: int) -> Mapping[Factor, str]:
    """All `FACTORS` of the person that a seed draws, words left aside.

    Raises:
        RequestError: The seed is negative.
    """
    drawn = draw_identity(seed)
    return MappingProxyType(
        {
            "sex": drawn.sex,
            "age": drawn.age_word,
            "skin_tone": drawn.skin.word,
            "hair": drawn.hair.style,
            "hair_colour": drawn.hair.colour,
            "eye_colour": drawn.eyes.colour,
            "beard": drawn.beard,
            "glasses": drawn.glasses,
        }
    )


def matching(wanted: Mapping[Factor, Sequence[str]], seeds: Iterable[int]) -> Iterator[int]:
    """Those of the seeds whose people have one of the wanted values of each factor, in order."""
    for seed in seeds:
        traits = traits_of(seed)
        if all(traits[factor] in values for factor, values in wanted.items()):
            yield seed


def balanced(
    balance: Mapping[Factor, Sequence[str]], count: int, first: int, field: str
) -> tuple[int, ...]:
    """Seeds of people in whom the values of each factor come equally often.

    Args:
        balance: By factor, the values wanted.
        count: People.
        first: The seed the search begins at.
        field: What errors call `balance`.

    Returns:
        Seeds in the order of their combinations, see `cells`; where `count` is no multiple of a
        factor's number of values, some come once more than others.

    Raises:
        RequestError: There are too many combinations, or `MAX_SEARCHED` seeds hold too few people.
    """
    combinations = cells(balance, first, field)
    open_places = [combinations[i % len(combinations)] for i in range(count)]
    # By combination its open places, the first one last: a seed is looked up, not tried on all.
    waiting: dict[tuple[tuple[Factor, str], ...], list[int]] = {}
    for place in reversed(range(count)):
        waiting.setdefault(tuple(open_places[place].items()), []).append(place)
    shapes = {tuple(cell) for cell in open_places}
    found: dict[int, int] = {}
    for seed in range(first, first + MAX_SEARCHED):
        traits = traits_of(seed)
        keys = (tuple((factor, traits[factor]) for factor in shape) for shape in shapes)
        fits = [places for key in keys if (places := waiting.get(key))]
        if fits:
            found[min(fits, key=lambda places: places[-1]).pop()] = seed
        if len(found) == count:
            return tuple(found[i] for i in range(count))
    missing = next(cell for i, cell in enumerate(open_places) if i not in found)
    raise RequestError(
        f"no {describe(missing)} is left among the seeds {first:,} to {first + MAX_SEARCHED - 1:,}",
        field=field,
        allowed="more frequent values, or fewer people",
    )


def _possible(cell: dict[Factor, str]) -> dict[Factor, str]:
    return {**cell, "beard": "none"} if "beard" in cell and cell.get("sex") == "woman" else cell


def _spread(found: list[dict[Factor, str]], seed: int) -> list[int]:
    """Places of all cells, each next one that whose values are rarest so far."""
    names = [sorted({cell[factor] for cell in found}) for factor in found[0]]
    codes = np.array(
        [[n.index(v) for n, v in zip(names, c.values(), strict=True)] for c in found], np.int64
    ).reshape(len(found), len(names))
    shares = [np.bincount(codes[:, f], minlength=len(n)) for f, n in enumerate(names)]
    counts = [np.zeros(len(n)) for n in names]
    tie = np.random.default_rng([_STREAM, seed]).random(len(found)) * 1e-6
    left = np.ones(len(found), bool)
    order: list[int] = []
    for _ in found:
        cost = tie + sum((counts[f] / shares[f])[codes[:, f]] for f in range(len(names)))
        place = int(np.where(left, cost, np.inf).argmin())
        left[place] = False
        order.append(place)
        for f in range(len(names)):
            counts[f][codes[place, f]] += 1
    return order


def describe(cell: Cell) -> str:
    """A person in words; empty where nothing is asked for."""
    if not cell:
        return ""
    who = " ".join(cell[f] for f in ("age", "sex") if f in cell)
    who += "" if "sex" in cell else " person" if who else "person"
    traits = _traits(cell)
    article = "an" if who[0] in "aeiou" else "a"
    listed = " and ".join(part for part in (", ".join(traits[:-1]), *traits[-1:]) if part)
    return f"{article} {who}" + (f" with {listed}" if listed else "")


def _traits(cell: Cell) -> list[str]:
    traits = [f"{cell['skin_tone']} skin"] if "skin_tone" in cell else []
    if "hair" in cell or "hair_colour" in cell:
        traits.append(_hair(cell))
    if "eye_colour" in cell:
        traits.append(f"{cell['eye_colour']} eyes")
    if "beard" in cell and cell.get("sex") != "woman":
        beard = cell["beard"]
        named = {"none": "no beard", "stubble": "stubble"}
        traits.append(named.get(beard, f"a {beard}"))
    if "glasses" in cell:
        glasses = cell["glasses"]
        named = {"none": "no glasses", "thick": "thick-framed glasses"}
        traits.append(named.get(glasses, f"{glasses} glasses"))
    return traits


def _hair(cell: Cell) -> str:
    style = cell.get("hair")
    phrase = HAIR_PHRASES[style][0] if style else "hair"
    words = phrase if style == "bald" else " ".join((cell.get("hair_colour", ""), phrase)).strip()
    if style not in _COUNTED:
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def apparent(person: int, words: str, *, exact: bool) -> dict[str, str]:
    """What the drawn person suggests: `SHOWN`, as far as it is known.

    Args:
        person: Identity seed.
        words: The words of the image, which override what the seed drew.
        exact: Whether the exact renderer shows it; the built-in model has glasses only where the
            words say so.
    """
    named = attributes_in(words)
    traits = {k: v for k, v in named.items() if k not in ("makeup", "lighting", "background")}
    drawn = draw_identity(person, **traits)
    found: dict[str, str] = {
        "sex": drawn.sex,
        "age": drawn.age_word,
        "skin_tone": drawn.skin.word,
        "hair": drawn.hair.style,
        "hair_colour": drawn.hair.colour,
        "beard": drawn.beard,
        "glasses": drawn.glasses if exact or "glasses" in named else "",
    }
    return {k: v for k, v in found.items() if v}


def columns(traits: Mapping[str, str]) -> dict[str, str]:
    """The cells of `COLUMNS`, as far as `apparent` knows them."""
    found = {name: traits.get(name.removeprefix("apparent_"), "") for name in COLUMNS}
    return {name: value for name, value in found.items() if value}
