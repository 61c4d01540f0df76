"""The words of the help: what moves in each action unit, the glossary, the tour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Movement:
    """An action unit for someone who looks at a face.

    Attributes:
        muscles: What contracts, or relaxes.
        seen: What one sees, in our own words.
    """

    muscles: str
    seen: str


MOVEMENTS: Mapping[int, Movement] = MappingProxyType(
    {
        1: Movement(
            "frontalis, inner part",
            "The inner ends of the brows rise and the brows slant; short folds cross the middle "
            "of the forehead.",
        ),
        2: Movement(
            "frontalis, outer part",
            "The outer ends of the brows rise into an arch; folds appear above them.",
        ),
        4: Movement(
            "corrugator and depressor supercilii, procerus",
            "The brows sink and draw together; upright folds stand between them.",
        ),
        5: Movement(
            "levator palpebrae superioris",
            "The upper lids draw back; more of the iris shows, and white above it.",
        ),
        6: Movement(
            "orbicularis oculi, outer ring",
            "The cheeks rise and push up the skin below the eyes; crow\u2019s feet spread from the "
            "outer corners.",
        ),
        7: Movement(
            "orbicularis oculi, inner ring",
            "The lids tighten; the lower ones straighten and the eyes narrow.",
        ),
        9: Movement(
            "levator labii superioris alaeque nasi",
            "The sides of the nose pull up and its bridge wrinkles; the upper lip follows.",
        ),
        10: Movement(
            "levator labii superioris",
            "The upper lip rises, most beside its middle; the furrows from nose to mouth deepen.",
        ),
        12: Movement(
            "zygomaticus major",
            "The lip corners travel up and back; the cheeks fill and the furrows curve.",
        ),
        14: Movement(
            "buccinator",
            "The lip corners tighten and draw inward; a dimple or a fold forms beside them.",
        ),
        15: Movement(
            "depressor anguli oris",
            "The lip corners go down; the skin below them bulges.",
        ),
        17: Movement(
            "mentalis",
            "The chin\u2019s skin moves up and puckers; the lower lip is pushed up and out.",
        ),
        18: Movement(
            "incisivii labii, orbicularis oris",
            "The mouth becomes small and round, and the lips move forward.",
        ),
        20: Movement(
            "risorius, platysma",
            "The lips stretch sideways and flatten; the corners move back, not up.",
        ),
        22: Movement(
            "orbicularis oris",
            "The lips turn outward like a funnel; their inner side and the teeth may show.",
        ),
        23: Movement(
            "orbicularis oris",
            "The lips get narrow and hard; their red part shrinks, and fine lines gather.",
        ),
        24: Movement(
            "orbicularis oris",
            "The lips press against each other and get thin, without the chin pushing.",
        ),
        25: Movement(
            "depressor labii, or mentalis and orbicularis oris at rest",
            "The lips come apart; teeth or the dark of the mouth show between them.",
        ),
        26: Movement(
            "masseter and temporalis at rest",
            "The jaw falls as if it were let go; the teeth come apart.",
        ),
        27: Movement(
            "pterygoids, digastric",
            "The jaw is pulled down; the mouth is wide open and the cheeks flatten.",
        ),
        28: Movement(
            "orbicularis oris",
            "The lips roll inward over the teeth; their red disappears.",
        ),
        43: Movement(
            "levator palpebrae superioris at rest",
            "The upper lids come down, in the end onto the lower ones.",
        ),
    }
)

GLOSSARY: Mapping[str, str] = MappingProxyType(
    {
        "Action unit (AU)": (
            "The smallest movement of a face that people can tell apart, by number: 12 pulls "
            "the lip corners up. Most have a left and a right side, always the subject\u2019s own."
        ),
        "Attention map": (
            "Where in the picture an action unit or a word was looked at while it was made, "
            "or where a reader looked."
        ),
        "AU guidance": (
            "How much stronger the sliders count than they would by themselves; 1 leaves them "
            "as they are."
        ),
        "AU reader": (
            "A network that measures action units on a picture. It takes no part in making one."
        ),
        "Calibration": (
            "Making confidence mean what it says: of the faces read with 80 % confidence, 80 "
            "% should be right."
        ),
        "Classifier-free guidance": (
            "At each step the model predicts with the words and without them, and goes "
            "further in the direction of the difference."
        ),
        "DDIM inversion": (
            "Running the steps backward: from a picture towards the noise that it could have "
            "been made from. Editing starts from there."
        ),
        "Denoising": "Making a picture step by step out of noise; more steps, finer work.",
        "ECE": (
            "Expected calibration error: by how much confidence and the share of right "
            "answers differ on average. 0 is perfect."
        ),
        "Expression": (
            "One of eight labels: neutral, happiness, sadness, surprise, fear, disgust, "
            "anger, contempt. A label is a summary; action units say what the face does."
        ),
        "FACS": (
            "Facial Action Coding System (Ekman, Friesen and Hager): a way to write down what "
            "a face does, as action units with intensities, such as 6C+12D."
        ),
        "FERAnno": (
            "The reader of expressions: it turns a picture back towards noise, looks at what "
            "the model sees in it, and gives eight calibrated probabilities."
        ),
        "Identity seed": (
            "The number that draws the person. The same number is the same person in every "
            "expression."
        ),
        "Intensity A\u2013E": (
            "How strong an action unit is: A trace, B slight, C marked, D severe, E maximum. "
            "On the sliders 1 to 5; 0 is absent."
        ),
        "Latent": (
            "The small, coded form of a picture in which the model works; a decoder turns it "
            "into pixels."
        ),
        "MediaPipe": (
            "A face reader made by others, trained on photos. Here it finds landmarks and is "
            "an outside check of some action units."
        ),
        "Prompt": (
            "The words that say what the picture should show; the negative prompt says what "
            "it should not, and acts where prompt guidance is above 1."
        ),
        "Prototype": (
            "The action units that an expression typically has. A preset sets the sliders to "
            "them; you edit from there."
        ),
        "Recipe": (
            "All that describes a picture, as a few lines of JSON. The same recipe gives the "
            "same pixels on the same machine; it travels in the PNG."
        ),
        "Seed": "The number that decides all that is left to chance, such as light and hair.",
        "Semantic guidance": (
            "While the face forms, a classifier looks at what it will become and moves words "
            "or sliders until it reads as the label."
        ),
        "Verdict": (
            "What FERAnno and the experts say of a label together: confirmed, relabelled, or "
            "rejected as uncertain."
        ),
        "Watermark": (
            "A mark in the pixels that cannot be seen and says that the picture was made."
        ),
    }
)
"""Terms and what they mean here, by name."""

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "label[for=facs]": "FACS",
        "label[for=target]": "Expression",
        "label[for=identity_seed]": "Identity seed",
        "label[for=seed]": "Seed",
        "[data-field='guidance.text'] .hint": "Classifier-free guidance",
        "[data-field='guidance.semantic'] .hint": "Semantic guidance",
        "[data-field='inversion_depth'] .hint": "DDIM inversion",
        "label[for=said]": "Verdict",
    }
)
"""Places of the page, as selectors, that get a button to an entry of the glossary."""


@dataclass(frozen=True)
class Stop:
    """One step of the tour.

    Attributes:
        at: The part it points at, as a selector.
        title: Its heading.
        text: What to know of it.
        tab: The tab it is on.
    """

    at: str
    title: str
    text: str
    tab: str = "Studio"


TOUR: tuple[Stop, ...] = (
    Stop(
        ".presets",
        "Start from an expression",
        "Eight presets set the sliders to what an expression typically looks like.",
    ),
    Stop(
        "[data-unit='12']",
        "Move single muscles",
        "Each slider is one action unit, 0 to 5. Point at it to see where it acts; L R sets the "
        "sides apart.",
    ),
    Stop(
        "#text",
        "Say what else to show",
        "Person, hair, light and background go into the prompt. The numbers below keep the same "
        "person from face to face.",
    ),
    Stop(
        "[data-act='generate']",
        "Make the face",
        "Generate, or Ctrl and Enter. It forms before your eyes; Escape stops it.",
    ),
    Stop(
        "#studio-stage .stage",
        "See where it acted",
        "When the face is there, buttons below it show where each unit and word was at work.",
    ),
    Stop(
        "#right .report",
        "Check what it shows",
        "The label a calibrated reader sees, how sure it is, and the units measured, beside what "
        "you asked for.",
    ),
    Stop(
        "#image-annotate .drop",
        "Read your own images",
        "Annotate reads one or many images into a table. They stay in memory and go with the page.",
        tab="Annotate",
    ),
    Stop(
        "[data-act='help']",
        "Examples and words",
        "Here are sample recipes to load at a click, the glossary, and this tour once more.",
    ),
)
