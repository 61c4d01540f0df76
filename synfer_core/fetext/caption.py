"""Captions that centre on the expression: by a multimodal model, or worded from what was measured.

SynFER (https://arxiv.org/abs/2410.09865, figure 2) has ShareGPT-4V write them. Any model of that
kind can be given; an answer that breaks the rules below is replaced by the built-in wording, and
the record says so. Built in is the grammar of prompt enrichment over measured action units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np

from synfer_core.enrichment import ANATOMY, GRAMMAR, enrich, movements
from synfer_core.errors import AnswerError
from synfer_core.facs import Expression
from synfer_core.fetext.gate import Seen
from synfer_core.fetext.upscale import Pixels
from synfer_core.models.attributes import CLASSES, AttributeReader
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.multimodal import MultimodalModel

INSTRUCTION = """Describe the face in this picture in one sentence of at most 60 words.
Begin with what is plainly visible of the person, such as glasses, a beard or hair, in a few words.
Then describe the expression as anatomy: what brows, eyelids, cheeks, nose, lips, jaw and chin do,
and how strongly. Name the expression last.
Describe only what can be seen. Do not guess a name, age, origin, health, character or thoughts,
and do not describe clothes or background. Answer with that sentence alone."""
"""What a multimodal model is asked; the label and what was measured follow."""

MAX_WORDS = 80
SURE = 0.8
"""Probability from which an attribute is worth a word."""

_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "hair_colour": {name: f"{name} hair" for name in CLASSES["hair_colour"]},
        "beard": {"beard": "a beard"},
        "glasses": {"glasses": "glasses"},
    }
)
"""Attributes in words, in the order of a caption; what is not there is not spoken of.

Skin tone stays in its column: in a photo it is as much a reading of the light as of the person.
"""


@dataclass(frozen=True)
class Subject:
    """What a caption can draw on.

    Attributes:
        image: (S, S, 3) the face as the data set has it.
        seen: What the gate measured.
        expression: The label, where there is one.
        aus: AU key to intensity 0-5, as `enrichment.enrich` takes them.
        attributes: Attribute to class, those that the reader is sure of.
    """

    image: Pixels
    seen: Seen
    expression: Expression | None
    aus: Mapping[str, float]
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Caption:
    """A caption.

    Attributes:
        text: The caption.
        writer: Who wrote it.
        notes: What was left out, or why a model's answer was not used.
    """

    text: str
    writer: str
    notes: tuple[str, ...] = ()


class Captioner(Protocol):
    """Writes captions."""

    @property
    def name(self) -> str:
        """What records call it."""

    @property
    def sha256(self) -> str:
        """Of its weights; empty where it has none."""

    def write(self, subject: Subject) -> Caption:
        """The caption of one face."""


@dataclass(frozen=True)
class Grammar:
    """The built-in wording: visible attributes, the label, then movements, the strongest first."""

    name: str = GRAMMAR
    sha256: str = ""

    def write(self, subject: Subject) -> Caption:
        """A caption of at most 48 tokens of the built-in text encoder."""
        made = enrich(person(subject.attributes), expression=subject.expression, aus=subject.aus)
        return Caption(made.text, GRAMMAR, made.notes)


@dataclass(frozen=True)
class Multimodal:
    """A multimodal model, held to the rules; the built-in wording stands in where it breaks one."""

    model: MultimodalModel

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def sha256(self) -> str:
        return self.model.sha256

    def write(self, subject: Subject) -> Caption:
        """The model's caption, or the built-in one with a note."""
        try:
            text = checked(self.model.describe(subject.image, question(subject)))
        except AnswerError as error:
            made = Grammar().write(subject)
            note = f"{self.name}'s answer {error.message}; {GRAMMAR} wrote this caption instead"
            return Caption(made.text, made.writer, (note, *made.notes))
        return Caption(text, self.name)


def question(subject: Subject) -> str:
    """The instruction with the label and the measured movements, where they are known."""
    told = [INSTRUCTION]
    if subject.expression:
        told.append(f"The picture is labelled: {subject.expression}.")
    moves = movements(subject.aus)
    if moves:
        told.append(f"Measured, and possibly wrong: {', '.join(moves)}.")
    return "\n".join(told)


def checked(answer: str) -> str:
    """A model's answer as a caption, if it keeps the rules.

    Raises:
        AnswerError: It is empty, too long, or says nothing of the face's anatomy.
    """
    text = " ".join(answer.split()).strip("\"'")
    if not text:
        raise AnswerError("was empty")
    if len(text.split()) > MAX_WORDS:
        raise AnswerError(f"has {len(text.split())} words, more than {MAX_WORDS}")
    if not ANATOMY.search(text.lower()):
        raise AnswerError("says nothing of the face's movement")
    return text


def person(attributes: Mapping[str, str]) -> str:
    """The person in words: ``a person with brown hair, a beard and glasses``."""
    named = [words[attributes[n]] for n, words in _WORDS.items() if attributes.get(n) in words]
    if not named:
        return "a person"
    *first, last = named
    return f"a person with {', '.join(first)} and {last}" if first else f"a person with {last}"


@dataclass(frozen=True)
class Attributes:
    """The built-in attribute judge, where it is sure.

    Attributes:
        net: The judge; it learned from renders.
        name: What records call it.
        sha256: Of its weights.
    """

    net: AttributeReader
    name: str
    sha256: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read its weights.

        Raises:
            WeightsError: The file is missing or damaged.
        """
        sha256 = file_sha256(path)
        return cls(AttributeReader.load(path), f"attributes {sha256[:8]}", sha256)

    def read(self, crop: Pixels) -> dict[str, str]:
        """Attribute to class of a face (128, 128, 3); those it is unsure of are left out."""
        read = self.net.read(crop[None])
        classes = {name: list(CLASSES[name]) for name in CLASSES}
        return {
            name: classes[name][int(np.argmax(values[0]))]
            for name, values in read.items()
            if values[0].max() >= SURE
        }


def load(source: str | None, device: str = "cpu") -> Captioner:
    """The captioner of ``--captioner``: a multimodal model by folder or id, else the grammar.

    Raises:
        WeightsError: It cannot be loaded.
    """
    return Multimodal(MultimodalModel.load(source, device)) if source else Grammar()
