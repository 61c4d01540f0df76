"""What makes and reads the images of a set: one synthesizer, with the readers in its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

from synfer_core.errors import CancelledError, DependencyError, PackError, SynferError, WeightsError
from synfer_core.stimuli import drift
from synfer_core.stimuli.align import Detect, Points, eyes_seen
from synfer_core.stimuli.drift import IdentityGauge
from synfer_core.stimuli.opinions import Opinions
from synfer_core.stimuli.spec import Align
from synfer_core.stimuli.store import Generate

if TYPE_CHECKING:
    from synfer_core.models.backbone import Capabilities
    from synfer_core.report import Pixels, Result
    from synfer_core.request import Recipe
    from synfer_core.synthesizer import Synthesizer

    Several = Callable[[Sequence[Recipe]], Sequence[Result | SynferError]]


@dataclass(frozen=True)
class Tools:
    """What makes and reads images.

    Attributes:
        generate: Makes one result, such as ``Synthesizer.generate``.
        maker: SHA-256 over all that makes and reads the images.
        check: Completes a recipe without making anything; RequestError where it is refused.
        model_sha256: The SHA-256 of what makes a completed recipe's image: weights, or the
            renderer's data pack.
        origin: What a recipe's backbone is, and where its images come from.
        eyes: Where a recipe's image (S, S, 3) has the eyes, see `align.find_move`; None moves
            nothing.
        identity: Tells people apart; None leaves the similarity empty.
        note: What a user should know of the identity gauge; empty where all is there.
        opinions: Who reads expressions beside FERAnno.
        together: How many images a recipe's backbone makes at once.
        make_several: Makes them: for each recipe its result, or why there is none. None makes one
            after another.
    """

    generate: Generate
    maker: str
    check: Callable[[Recipe], Recipe]
    model_sha256: Callable[[Recipe], str]
    origin: Callable[[Recipe], Capabilities]
    eyes: Callable[[Recipe, Pixels], Points] | None = None
    identity: IdentityGauge | None = None
    note: str = ""
    opinions: Opinions = field(default_factory=Opinions)
    together: Callable[[Recipe], int] = lambda _: 1
    make_several: Several | None = None

    def several(self, recipes: Sequence[Recipe]) -> Sequence[Result | SynferError]:
        """For each recipe its result, or why there is none.

        Raises:
            CancelledError: The work is to end.
        """
        if self.make_several is not None and len(recipes) > 1:
            return self.make_several(recipes)
        return [_tried(self.generate, recipe) for recipe in recipes]

    @classmethod
    def of(
        cls,
        synthesizer: Synthesizer,
        folder: Path,
        align: Align,
        generate: Generate | None = None,
        several: Several | None = None,
    ) -> Self:
        """The tools of a synthesizer.

        Args:
            synthesizer: Makes the images.
            folder: Its weights.
            align: As in `Treatment`.
            generate: Makes them in its place, such as by a queue.
            several: Makes several at once in its place.

        Raises:
            WeightsError: A weight file is damaged.
        """
        identity, note = drift.load(folder)
        return cls(
            generate=generate or synthesizer.generate,
            maker=_maker(synthesizer, folder),
            check=synthesizer.check,
            model_sha256=lambda recipe: _model_sha256(synthesizer, recipe),
            origin=lambda recipe: synthesizer.capabilities[recipe.backbone],
            eyes=partial(_eyes, synthesizer) if align == "eyes" else None,
            identity=identity,
            note=note,
            opinions=_opinions(synthesizer),
            together=synthesizer.together,
            make_several=several or (None if generate else synthesizer.generate_several),
        )


def _eyes(synthesizer: Synthesizer, recipe: Recipe, image: Pixels) -> Points:
    """From the backbone that made the image, where it knows, else from MediaPipe.

    Raises:
        DependencyError: MediaPipe is to find them, and does not start.
        WeightsError: Its model is damaged.
        ImageError: It finds no face.
        PackError: The backbone knows, and its pack is missing or damaged.
    """
    from synfer_core.faces.landmarks import shared_landmarker
    from synfer_core.models.backbone import Located

    backbone = synthesizer.backbones[recipe.backbone]
    if isinstance(backbone, Located):
        return backbone.eyes(recipe)
    return eyes_seen(image, shared_landmarker().detect)


def _opinions(synthesizer: Synthesizer) -> Opinions:
    """The panel of the weights and MediaPipe, as far as they are here."""
    from synfer_core.faces.landmarks import explain, shared_landmarker

    annotator, missing = synthesizer.annotator, {}
    if annotator.panel is None:
        missing["vote"] = annotator.no_panel
    try:
        detect: Detect | None = shared_landmarker().detect
    except (DependencyError, WeightsError) as error:
        detect, missing["mediapipe"] = None, explain(error)[0]
    return Opinions(annotator.panel, detect, missing)


def _tried(generate: Generate, recipe: Recipe) -> Result | SynferError:
    try:
        return generate(recipe)
    except CancelledError:
        raise
    except SynferError as error:
        return error


def _maker(synthesizer: Synthesizer, folder: Path) -> str:
    from synfer_core.models.checkpoints import file_sha256

    parts = [version("synfer-studio")]
    # A pack that can't be read makes no images.
    with suppress(PackError):
        parts += _packs(synthesizer).values()
    parts += [f"{path.name} {file_sha256(path)}" for path in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _packs(synthesizer: Synthesizer) -> dict[str, str]:
    """By backbone that renders, the SHA-256 of its data pack."""
    from synfer_core.models.exact import ExactBackbone

    backbones = synthesizer.backbones.items()
    return {n: b.sha256 for n, b in backbones if isinstance(b, ExactBackbone)}


def _model_sha256(synthesizer: Synthesizer, recipe: Recipe) -> str:
    from synfer_core.models.exact import ExactBackbone

    backbone = synthesizer.backbones.get(recipe.backbone)
    own = backbone.sha256 if isinstance(backbone, ExactBackbone) else ""
    return recipe.weights_sha256 or own
