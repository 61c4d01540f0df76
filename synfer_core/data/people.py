"""Who is shown: combinations of apparent factors that come equally often, in words and in counts.

Words carry the factors to the backbone (`captions.attributes_in` reads them there), so a factor is
asked for in the same way whoever draws the face. All of it is apparent: what a face suggests.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from synfer_core.data.spec import MAX_CELLS, Factor
from synfer_core.errors import RequestError
from synfer_core.facekit.captions import HAIR_PHRASES, attributes_in
from synfer_core.facekit.identity import draw_identity

Cell = Mapping[Factor, str]
"""One value of each factor that is asked for."""

SHOWN: tuple[Factor, ...] = ("sex", "age", "skin_tone", "hair", "hair_colour", "beard", "glasses")
"""Factors that a data set tells of each person."""

_COUNTED = ("buzz", "quiff", "bob", "bob_bangs", "afro", "bald")
_STREAM = 11


def cells(balance: Mapping[Factor, Sequence[str]], seed: int) -> tuple[Cell, ...]:
    """Combinations of values, in an order in which each run of them is balanced in each factor.

    The next is always the one whose values have come least often; among equals, a seed decides. A
    woman has no beard, so of combinations that differ in a woman's beard one is left.

    Raises:
        RequestError: There are more than `MAX_CELLS`.
    """
    values = [list(map(str, v)) for v in balance.values()]
    if np.prod([len(v) for v in values]) > MAX_CELLS:
        allowed = f"at most {MAX_CELLS:,} combinations"
        raise RequestError("too many values together", field="people.balance", allowed=allowed)
    found = [
        _possible(dict(zip(balance, combination, strict=True)))
        for combination in itertools.product(*values)
    ]
    unique = list({tuple(cell.items()): cell for cell in found}.values())
    return tuple(unique[i] for i in _spread(unique, seed))


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
