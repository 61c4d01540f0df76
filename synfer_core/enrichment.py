"""Prompt enrichment: a coarse description and a target become a detailed prompt.

In SynFER (He et al., ICCV 2025, https://arxiv.org/abs/2410.09865, figure 1, left) a language model
writes them. Here a grammar over the FACS vocabulary does so, in the words of the training captions;
any instruction-tuned text model can take its place. `conditioning` reads what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from synfer_core.errors import AnswerError, RequestError
from synfer_core.facs import (
    ACTION_UNITS,
    AU_PHRASES,
    EXPRESSIONS,
    PROTOTYPES,
    intensity_letter,
    validate_aus,
)
from synfer_core.models.text_tokens import MAX_TOKENS, count_tokens
from synfer_core.request import Recipe

DEGREES = MappingProxyType(
    {"A": " very slightly", "B": " slightly", "C": "", "D": " strongly", "E": " very strongly"}
)
"""The adverb that follows a movement, by FACS intensity."""

GRAMMAR = "the built-in grammar"

INSTRUCTION = f"""You write prompts for a model that draws faces.
You are given a short description of a person, the expression, and the movements of the face.
Write one line in English of at most 30 words: the description, the expression, and then the
movements as anatomy with their degree, such as "a man, with an expression of happiness, lip corners
pulled up strongly, cheeks raised, lips parted slightly".
Keep every word of the description. Name every movement, and none that is not given. Say nothing
else of the person: no sex, age, skin, hair, eyes' colour, beard, glasses, make-up, clothes or
background that the description does not have. The expressions are {", ".join(EXPRESSIONS)}.
Answer with that line alone, without quotation marks."""

ANATOMY = re.compile(r"\b(?:eye)?(?:brow|lid|eye|nose|cheek|lip|mouth|jaw|chin|smil|frown)")
"""Words that say what moves in a face."""

_INVENTED = re.compile(
    r"\b(asian|african|european|american|caucasian|hispanic|latin[ao]|arab|indian|chinese|japanese|"
    r"korean|hats?|caps?|scar(?:f|ves)|earrings?|necklace|piercings?|tattoos?|scars?|wrinkle[sd]?|"
    r"moles?|beautiful|handsome|pretty|ugly|attractive|slim|thin|fat|chubby|muscular|shirt|suit|"
    r"dress|jacket|uniform|hijab|turban|child|baby|boy|girl|toddler)\b"
)
"""Words that describe a person and that the reader of attributes does not know."""


class Writer(Protocol):
    """A text model: an instruction and a request in, its answer out."""

    @property
    def name(self) -> str:
        """What the model is called in notes."""

    def complete(self, instruction: str, request: str) -> str:
        """The model's answer; the same for the same input."""


@dataclass(frozen=True)
class Enriched:
    """A detailed prompt.

    Attributes:
        text: The whole of what the denoiser is to read, at most 48 tokens.
        writer: Who wrote it: `GRAMMAR`, or the text model's name.
        notes: What was left out, or why a model's answer was not used.
    """

    text: str
    writer: str = GRAMMAR
    notes: tuple[str, ...] = ()


class _Clause(NamedTuple):
    intensity: float
    words: str


def class_phrase(expression: str) -> str:
    """The words that name an expression in a prompt."""
    if expression == "neutral":
        return "with a neutral expression"
    return f"with an expression of {expression}"


def enrich(
    text: str,
    *,
    expression: str | None = None,
    aus: Mapping[str, float] | None = None,
    writer: Writer | None = None,
) -> Enriched:
    """A detailed prompt for a coarse description and a target.

    Args:
        text: The description, such as ``a man``; may be empty.
        expression: The target label, one of `EXPRESSIONS`.
        aus: AU key to intensity 0-5; None words the expression's prototype.
        writer: The text model that writes; None takes the grammar, which also takes over, with a
            note, where the model's answer breaks a rule.

    Raises:
        RequestError: There is neither label nor AUs, one is not known, or the description alone
            is too long for the text encoder.
    """
    moves = movements(_intensities(expression, aus))
    if writer is None:
        return _by_grammar(text, expression, moves)
    asked = _request(text, expression, moves)
    try:
        answer = _checked(writer.complete(INSTRUCTION, asked), text, moves)
    except AnswerError as error:
        made = _by_grammar(text, expression, moves)
        note = f"{writer.name}'s answer {error.message}; {GRAMMAR} wrote this prompt instead"
        return Enriched(made.text, GRAMMAR, (note, *made.notes))
    return Enriched(answer, writer.name)


def enrich_recipe(recipe: Recipe, writer: Writer | None = None) -> tuple[Recipe, Enriched]:
    """The recipe with its `enriched_text` filled in, `text` as it was, and what came of it.

    Raises:
        RequestError: As `enrich` does, or the recipe has an enriched text already.
    """
    if recipe.enriched_text is not None:
        raise RequestError(
            "is given already", field="enriched_text", allowed="either given or to be written"
        )
    says = bool(recipe.aus) or recipe.facs is not None
    aus = recipe.action_units if says else None
    made = enrich(recipe.text, expression=recipe.expression, aus=aus, writer=writer)
    return recipe.model_copy(update={"enriched_text": made.text}), made


def _intensities(expression: str | None, aus: Mapping[str, float] | None) -> dict[str, float]:
    """What moves: the AUs where they are given, else the expression's prototype."""
    if expression is not None and expression not in EXPRESSIONS:
        raise RequestError(
            f"{expression[:40]!r} is not known", field="expression", allowed=", ".join(EXPRESSIONS)
        )
    if aus is not None:
        return validate_aus(aus)
    if expression is None:
        raise RequestError(
            "there is nothing to describe", field="expression", allowed="an expression or AUs"
        )
    return dict(PROTOTYPES[expression])


def movements(aus: Mapping[str, float]) -> list[str]:
    """The AUs in words, the strongest first; below half of A they are not worth a word."""
    clauses = [c for key, value in _joined(aus).items() if (c := _clause(key, value))]
    return [clause.words for clause in sorted(clauses, key=lambda c: -c.intensity)]


def _joined(aus: Mapping[str, float]) -> dict[str, float]:
    """In FACS order, two sides of one letter as both."""
    joined: dict[str, float] = {}
    for number in ACTION_UNITS:
        both, left, right = (f"AU{side}{number}" for side in ("", "L", "R"))
        sides = {key: aus[key] for key in (left, right) if key in aus}
        if len(sides) == 2 and intensity_letter(aus[left]) == intensity_letter(aus[right]):
            sides = {both: (aus[left] + aus[right]) / 2}
        joined |= {both: aus[both]} if both in aus else sides
    return joined


def _clause(key: str, intensity: float) -> _Clause | None:
    letter = intensity_letter(intensity)
    if letter is None:
        return None
    phrase = AU_PHRASES[int(key.lstrip("AULR"))]
    words = phrase.predicate
    if key[2] in "LR":
        assert phrase.one_side
        words = phrase.one_side.format(side="left" if key[2] == "L" else "right")
    return _Clause(intensity, words + DEGREES[letter])


def _by_grammar(text: str, expression: str | None, movements: list[str]) -> Enriched:
    """Description, class phrase, movements; the weakest movements go where there is no room."""
    head = _head(text, expression, movements)
    if count_tokens(head) > MAX_TOKENS:
        raise RequestError(
            f"is {count_tokens(head)} tokens long, the expression among them",
            field="text",
            allowed=f"at most {MAX_TOKENS} tokens",
        )
    kept = len(movements)
    while count_tokens(_sentence([head, *movements[:kept]])) > MAX_TOKENS:
        kept -= 1
    left_out = ", ".join(movements[kept:])
    notes = (f"left out, to stay within {MAX_TOKENS} tokens: {left_out}",) if left_out else ()
    return Enriched(_sentence([head, *movements[:kept]]), GRAMMAR, notes)


def _head(text: str, expression: str | None, movements: list[str]) -> str:
    named = expression or ("" if movements else "neutral")
    return _sentence([_bare(text), class_phrase(named) if named else ""])


def _bare(text: str) -> str:
    return " ".join(text.split()).rstrip(" .,;")


def _sentence(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)


def _request(text: str, expression: str | None, movements: list[str]) -> str:
    return (
        f"Description: {_bare(text) or 'a face'}\n"
        f"Expression: {expression or 'not named'}\n"
        f"Movements: {', '.join(movements) or 'none, the face is at rest'}"
    )


def _checked(answer: str, text: str, movements: list[str]) -> str:
    """The answer as a prompt, if it keeps the rules.

    Raises:
        AnswerError: It is empty, too long, of several lines, says nothing of the face's movement,
            or describes another person.
    """
    stripped = (line.strip(" \t\"'\u201c\u201d") for line in answer.splitlines())
    lines = [" ".join(line.split()) for line in stripped if line]
    if len(lines) != 1:
        raise AnswerError("has more than one line" if lines else "was empty")
    (prompt,) = lines
    if count_tokens(prompt) > MAX_TOKENS:
        raise AnswerError(f"has {count_tokens(prompt)} tokens, more than {MAX_TOKENS}")
    if movements and not ANATOMY.search(prompt.lower()):
        raise AnswerError("says nothing of the face's movement")
    _check_person(prompt, text)
    return prompt


def _check_person(prompt: str, text: str) -> None:
    """Refuse attributes that were not given, and the loss of those that were."""
    from synfer_core.facekit.captions import attributes_in

    given, found = attributes_in(text), attributes_in(prompt)
    for name in sorted(given.keys() | found.keys()):
        if given.get(name) != found.get(name):
            raise AnswerError(_difference(name, given.get(name), found.get(name)))
    known = text.lower()
    for match in _INVENTED.finditer(prompt.lower()):
        if match[1] not in known:
            raise AnswerError(f"invents something of the person: {match[1]!r}")


def _difference(name: str, given: object, found: object) -> str:
    what = name.replace("_", " ")
    if given is None:
        return f"invents something of the person: {what} {found}"
    return f"changes or loses what was given of the person: {what} {given}"
