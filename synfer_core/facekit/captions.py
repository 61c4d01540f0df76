"""Scenes in words, and words back to attributes.

`caption` describes a scene in varied natural language; `attributes_in` reads the attributes the
renderer knows off a text, in its own vocabulary and in common synonyms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from synfer_core.facekit.action_units import by_side
from synfer_core.facekit.palette import EYE_COLOURS, HAIR_COLOURS, LIPSTICKS, SKIN_WORDS
from synfer_core.facekit.scene import COLOUR, Scene
from synfer_core.facs import ACTION_UNITS, AU_PHRASES
from synfer_core.request import TRANSPARENT

HAIR_PHRASES = MappingProxyType(
    {
        "bald": ("bald head", "shaved head"),
        "buzz": ("buzz cut", "closely cropped hair"),
        "short": ("short hair", "short cut hair"),
        "sidepart": ("short side-parted hair", "side-parted hair"),
        "slick": ("slicked-back hair", "hair combed back"),
        "quiff": ("quiff", "hair brushed up into a quiff"),
        "bob": ("bob", "chin-length hair"),
        "bob_bangs": ("bob with bangs", "bob with a fringe"),
        "long": ("long straight hair", "long hair"),
        "long_wavy": ("long wavy hair", "wavy hair"),
        "long_bangs": ("long hair with bangs", "long hair with a fringe"),
        "curly_short": ("short curly hair", "short curls"),
        "afro": ("afro", "afro hair"),
        "curly_long": ("long curly hair", "long curls"),
        "tied": ("hair tied back", "hair in a ponytail"),
        "receding": ("receding hair", "thinning hair"),
    }
)
_COUNTED = ("head", "cut", "quiff", "bob", "afro", "bangs", "fringe")
"""Words that end a phrase which takes an article, unless it speaks of hair."""

_ADJECTIVES = MappingProxyType(
    {
        "happiness": ("happy", "smiling", "joyful"),
        "sadness": ("sad", "sorrowful", "unhappy"),
        "surprise": ("surprised", "astonished", "amazed"),
        "fear": ("afraid", "fearful", "scared"),
        "disgust": ("disgusted", "revolted"),
        "anger": ("angry", "furious"),
        "contempt": ("contemptuous", "scornful"),
    }
)
_OPENINGS = (
    *("Portrait of ", "A photo of ", "Close-up portrait of ", "Headshot of "),
    *("A face photo of ", "Studio picture of ", ""),
)
_BACKDROPS = MappingProxyType(
    {
        "plain": "plain background",
        "gradient": "gradient background",
        "blur": "blurred background",
        "wall": "a wall behind",
        "bokeh": "bokeh background",
        COLOUR: "plain background",
        TRANSPARENT: "no background",
    }
)
_LIT = MappingProxyType(
    {
        "soft window": ("soft window light", "lit from a window"),
        "studio": ("studio lighting", "lit by studio lights"),
        "overcast": ("overcast light", "soft even daylight"),
        "warm indoor": ("warm indoor lighting", "warm lamp light"),
        "side light": ("side lighting", "lit from the side"),
        "flat flash": ("flash lighting", "lit by flash"),
        "backlit": ("backlit", "lit from behind"),
        "golden hour": ("golden hour light", "low golden sunlight"),
    }
)
_NOTICEABLE = 0.12  # intensity (0-1) from which an AU is worth a word
_SILENT = 1 / 3  # share of captions without expression, so that AUs alone must carry it
_TURNED = 8.0  # degrees of yaw worth a word
_LONGEST_TEXT = 2000  # characters read for attributes, the limit of a recipe's text


def caption(scene: Scene, rng: np.random.Generator, *, named: Sequence[int] | None = None) -> str:
    """Describe a scene in one sentence; what is left out and the wording vary with `rng`.

    Args:
        named: Numbers of units that are spoken of where they are noticeable; the expression is then
            never left out. None leaves all of it to `rng`.
    """
    traits = _join(_traits(scene, rng))
    parts = [f"{_pick(rng, _OPENINGS)}{_who(scene, rng)} with {traits}"]
    if named is not None or rng.random() >= _SILENT:
        parts.append(_expression(scene, rng, named or ()))
    if rng.random() < 0.5:
        parts.append(_pick(rng, _LIT[scene.lighting.kind]))
    if rng.random() < 0.35:
        parts.append(_BACKDROPS[scene.background.kind])
    if abs(scene.pose.yaw) > _TURNED and rng.random() < 0.6:
        parts.append(f"head turned to their {'left' if scene.pose.yaw > 0 else 'right'}")
    text = ", ".join(part for part in parts if part)
    return text[0].upper() + text[1:]


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _join(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _who(scene: Scene, rng: np.random.Generator) -> str:
    person = scene.identity
    age, sex, skin = person.age_word, person.sex, person.skin.word
    return _pick(
        rng,
        (
            _article(f"{age} {sex}"),
            f"{_article(f'{age} {sex}')} with {skin} skin",
            f"{_article(sex)} with {skin} skin",
            _article(f"{skin}-skinned {age} {sex}"),
        ),
    )


def _hair(scene: Scene, rng: np.random.Generator) -> str:
    hair = scene.identity.hair
    phrase = _pick(rng, HAIR_PHRASES[hair.style])
    if hair.style == "bald":
        return _article(phrase)
    counted = phrase.split()[-1] in _COUNTED and not phrase.startswith(("long", "hair"))
    if phrase.startswith("hair") or rng.random() < 0.4:
        colour = "" if phrase.endswith("curls") else f" in {hair.colour}"
        return (_article(phrase) if counted else phrase) + colour
    return _article(f"{hair.colour} {phrase}") if counted else f"{hair.colour} {phrase}"


def _traits(scene: Scene, rng: np.random.Generator) -> list[str]:
    person, styling = scene.identity, scene.styling
    traits = [_hair(scene, rng)]
    if rng.random() < 0.55:
        traits.append(f"{person.eyes.colour} eyes")
    if person.beard != "none":
        traits.append("stubble" if person.beard == "stubble" else _article(person.beard))
    if person.skin.freckles > 0 and rng.random() < 0.7:
        traits.append("freckles")
    if styling.glasses != "none":
        frames = {"thin": "thin glasses", "thick": "thick-framed glasses", "round": "round glasses"}
        traits.append(_pick(rng, ("glasses", "eyeglasses", frames[styling.glasses])))
    if styling.makeup != "none":
        traits.append(styling.makeup)
    return traits


def _expression(scene: Scene, rng: np.random.Generator, named: Sequence[int]) -> str:
    sides = by_side(scene.aus)
    strongest = max(max(both) for both in sides.values())
    words = _feeling(scene.expression, strongest, rng)
    noticed = [n for n, both in sides.items() if max(both) > _NOTICEABLE]
    rng.shuffle(noticed)
    if noticed and (scene.expression not in _ADJECTIVES or rng.random() < 0.5):
        drawn = [n for n in noticed[: rng.integers(1, 4)] if n not in named]
        chosen = [*(n for n in named if n in noticed), *drawn]
        movements = ", ".join(_movement(n, sides[n], rng) for n in chosen)
        return f"{words}, {movements}" if words else f"with {movements}"
    return words


def _feeling(expression: str, strength: float, rng: np.random.Generator) -> str:
    if expression in _ADJECTIVES:
        adjective = _pick(rng, _ADJECTIVES[expression])
        degree = "slightly " if strength < 0.4 else "very " if strength > 0.9 else ""
        noun = {"slightly ": "slight ", "very ": "intense "}.get(degree, "")
        look = _pick(rng, ("an expression", "a look"))
        return _pick(
            rng,
            (
                f"looking {degree}{adjective}",
                f"with {look} of {noun}{expression}",
                f"{degree}{adjective}",
            ),
        )
    if strength < _NOTICEABLE:
        return _pick(rng, ("with a neutral expression", "with a relaxed face", "expressionless"))
    return ""


def _movement(number: int, both: tuple[float, float], rng: np.random.Generator) -> str:
    left, right = both
    strongest = max(both)
    degree = " slightly" if strongest < 0.35 else " strongly" if strongest > 0.75 else ""
    predicate, noun, _ = AU_PHRASES[number]
    text = predicate + degree if rng.random() < 0.6 else noun
    if ACTION_UNITS[number].sided and abs(left - right) > 0.25 * strongest + 0.05:
        text += f" on the {'left' if left > right else 'right'} side"
    return text


# --- words to attributes --------------------------------------------------------------------------


def _rules(**meanings: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(rf"\b(?:{pattern})\b"), value.replace("__", " "))
        for value, pattern in meanings.items()
    )


_SEX = _rules(
    woman=r"woman|women|female|girl|lady|she|her|mother|grandmother",
    man=r"man|men|male|guy|boy|gentleman|he|his|father|grandfather",
)
_AGE = (
    (re.compile(r"\bmiddle[- ]aged\b|\b(?:in (?:his|her|their) )?(?:forties|40s|fifties)\b"),
     "middle-aged"),
    (re.compile(r"\b(?:older|old|elderly|senior|aged|grandmother|grandfather|granny|"
                r"sixties|seventies|60s|70s)\b"), "older"),
    (re.compile(r"\b(?:young|younger|youthful|teenage|twenties|20s|girl|boy)\b"), "young"),
)  # fmt: skip
_YEARS = re.compile(r"\b(\d{2})[- ]?(?:years?[- ]old|y/?o|years of age)\b")
_BEARDS = (
    (re.compile(r"\b(?:clean[- ]shaven|no beard|without a beard|beardless)\b"), "none"),
    (re.compile(r"\b(?:full|long|bushy|thick|big) beard\b"), "full beard"),
    (re.compile(r"\b(?:stubble|stubbly|unshaven|five o'clock shadow)\b"), "stubble"),
    (re.compile(r"\b(?:goatee|chin beard)\b"), "goatee"),
    (re.compile(r"\b(?:beard|bearded)\b"), "short beard"),
    (re.compile(r"\b(?:moustache|mustache)\b"), "moustache"),
)
_NO_GLASSES = re.compile(r"\b(?:no|without)(?: any)? (?:eye)?(?:glasses|spectacles)\b")
_GLASSES = re.compile(r"\b(?:eye)?(?:glasses|spectacles)\b|\bspecs\b|\bbespectacled\b")
_STYLES = (
    (re.compile(r"\bbald(?!ing)\b|\bshaved head\b|\bno hair\b|\bhairless\b"), "bald"),
    (re.compile(r"\bbuzz ?cut\b|\bcrew ?cut\b|\b(?:closely )?cropped hair\b"), "buzz"),
    (re.compile(r"\breceding\b|\bthinning\b|\bbalding\b"), "receding"),
    (re.compile(r"\bslicked?[- ]back\b|\bcombed back\b"), "slick"),
    (re.compile(r"\bquiff\b|\bpompadour\b|\bbrushed up\b"), "quiff"),
    (re.compile(r"\bafro\b"), "afro"),
    (re.compile(r"\b(?:tied back|ponytail|hair in a bun|pulled back|hair up)\b"), "tied"),
    (re.compile(r"\bbob\b(?=.{0,60}\b(?:bangs|fringe)\b)"), "bob_bangs"),
    (re.compile(r"\bbob\b|\b(?:chin|shoulder|medium)[- ]length\b"), "bob"),
    (re.compile(r"\blong\b[^,]{0,40}\b(?:curly|curls)\b|\bcurly long\b"), "curly_long"),
    (re.compile(r"\blong\b[^,]{0,40}\bhair\b[^,]{0,40}\b(?:bangs|fringe)\b"), "long_bangs"),
    (re.compile(r"\bwavy\b|\bwaves\b"), "long_wavy"),
    (re.compile(r"\b(?:bangs|fringe)\b"), "bob_bangs"),
    (re.compile(r"\bcurly\b|\bcurls\b|\bfrizzy\b"), "curly_short"),
    (re.compile(r"\bside[- ]part"), "sidepart"),
    (re.compile(r"\blong-haired\b|\blong(?! (?:face|nose|neck|beard))\b[^,]{0,40}\bhair\b"),
     "long"),
    (re.compile(r"\bshort\b(?! beard)[^,]{0,40}\bhair\b|\bshort-haired\b"), "short"),
)  # fmt: skip
_HAIR_WORDS = MappingProxyType(
    {
        **{name: name for name in HAIR_COLOURS},
        "light blonde": "platinum blonde",
        "platinum": "platinum blonde",
        "dirty blonde": "dark blonde",
        "blond": "blonde",
        "ginger": "red",
        "chestnut": "auburn",
        "gray": "grey",
        "silver": "grey",
    }
)
_SKIN = (
    *((re.compile(rf"\b{word}[- ]skin"), word) for word in sorted(SKIN_WORDS, key=len)[::-1]),
    (re.compile(r"\b(?:very pale|porcelain)[- ]skin|\bvery pale\b"), "very fair"),
    (re.compile(r"\bpale\b|\bfair complexion\b|\bwhite skin"), "fair"),
    (re.compile(r"\bolive[- ]skin|\bolive complexion\b"), "medium"),
    (re.compile(r"\b(?:tanned)\b"), "tan"),
    (re.compile(r"\b(?:very dark|ebony)[- ]skin"), "very deep"),
    (re.compile(r"\b(?:dark|black)[- ]skin|\bdark complexion\b"), "deep brown"),
)
_LIGHTS = (
    (re.compile(r"\bwindow\b"), "soft window"),
    (re.compile(r"\bstudio (?:light|lighting|lights)\b"), "studio"),
    (re.compile(r"\bovercast\b|\beven daylight\b"), "overcast"),
    (re.compile(r"\bwarm (?:indoor|lamp|light)"), "warm indoor"),
    (re.compile(r"\bside[- ]?(?:light|lighting|lit)\b|\blit from the side\b"), "side light"),
    (re.compile(r"\bflash\b"), "flat flash"),
    (re.compile(r"\bback[- ]?(?:lit|light|lighting)\b|\blit from behind\b"), "backlit"),
    (re.compile(r"\bgolden\b(?! hair)|\bsunset\b"), "golden hour"),
)
_PLACES = (
    (re.compile(r"\bplain background\b|\bneutral background\b"), "plain"),
    (re.compile(r"\bgradient background\b"), "gradient"),
    (re.compile(r"\bblurr?(?:ed|y) background\b"), "blur"),
    (re.compile(r"\bwall\b"), "wall"),
    (re.compile(r"\bbokeh\b"), "bokeh"),
)
_LIPS = (
    (re.compile(r"\bno make-?up\b|\bwithout make-?up\b"), "none"),
    *((re.compile(rf"\b{name}\b"), name) for name in LIPSTICKS),
    (re.compile(r"\blipstick\b|\bmake-?up\b"), "red lipstick"),
)


def attributes_in(text: str) -> dict[str, Any]:
    """The attributes a text names, as traits for `identity.sample_code` and `scene.scene_for`.

    Keys, each only where the text speaks of it: ``sex``, ``age`` (years or a word), ``skin_word``,
    ``hair``, ``hair_colour``, ``eye_colour``, ``beard``, ``freckles``, ``glasses``, ``makeup``,
    ``lighting``, ``background``. Unknown words are passed over; a text names a thing once.
    """
    letters = unicodedata.normalize("NFKC", text[:_LONGEST_TEXT])
    words = " ".join(letters.lower().replace("\u2019", "'").split())
    found: dict[str, Any] = {
        "sex": _first(_SEX, words),
        "age": _years(words) or _first(_AGE, words),
        "skin_word": _first(_SKIN, words),
        "hair": _first(_STYLES, words),
        "hair_colour": _hair_colour(words),
        "eye_colour": _eye_colour(words),
        "beard": _first(_BEARDS, words),
        "freckles": _freckles(words),
        "glasses": _glasses(words),
        "makeup": _first(_LIPS, words),
        "lighting": _first(_LIGHTS, words),
        "background": _first(_PLACES, words),
    }
    return {name: value for name, value in found.items() if value is not None}


def _first(rules: Sequence[tuple[re.Pattern[str], str]], words: str) -> str | None:
    """The first rule that matches; among `_SEX`, the earliest mention counts."""
    if rules is _SEX:
        hits = [(m.start(), value) for pattern, value in rules if (m := pattern.search(words))]
        return min(hits)[1] if hits else None
    return next((value for pattern, value in rules if pattern.search(words)), None)


def _years(words: str) -> float | None:
    match = _YEARS.search(words)
    return float(np.clip(int(match[1]), 18, 80)) if match else None


def _hair_colour(words: str) -> str | None:
    """A colour named before hair, curls and the like, or after ``in`` as captions have it."""
    names = "|".join(sorted(map(re.escape, _HAIR_WORDS), key=len, reverse=True))
    noun = r"hair|haired|curls|bob|afro|quiff|buzz cut|ponytail|bangs|crew cut"
    before = re.search(
        rf"\b({names})(?:[- ](?!eye|skin|beard)[\w-]{{1,20}}){{0,4}}?[- ](?:{noun})\b", words
    )
    after = re.search(rf"\b(?:{noun})(?: [\w-]{{1,20}}){{0,3}}? in ({names})\b", words)
    match = before or after
    if match:
        return _HAIR_WORDS[match[1]]
    lone = re.search(r"\b(blonde?|redhead|brunette|ginger)\b", words)
    spoken = {"redhead": "red", "brunette": "brown", "ginger": "red"}
    return spoken.get(lone[1], "blonde") if lone else None


def _eye_colour(words: str) -> str | None:
    names = "|".join(sorted(EYE_COLOURS, key=len, reverse=True))
    match = re.search(rf"\b({names}|gray)[- ]eye", words)
    return match[1].replace("gray", "grey") if match else None


def _freckles(words: str) -> bool | None:
    if re.search(r"\b(?:no|without) freckles\b", words):
        return False
    return True if re.search(r"\bfreckle[sd]?\b", words) else None


def _glasses(words: str) -> str | None:
    if _NO_GLASSES.search(words):
        return "none"
    if not _GLASSES.search(words):
        return None
    if re.search(r"\bround (?:eye)?glasses\b|\bround spectacles\b", words):
        return "round"
    return "thick" if re.search(r"\b(?:thick|bold)[- ](?:framed |rimmed )?", words) else "thin"
