"""Read first: the synthesizer chains the stages, recipe in, result out.

request -> conditioning -> denoising (guidance wraps the denoiser) -> decoding -> annotation ->
report

"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from synfer_core import conditioning, editing, forking
from synfer_core.annotation import Annotator, Readings
from synfer_core.drafts import Draft, draft_of
from synfer_core.editing import Edit
from synfer_core.errors import ImageError, SynferError, UnsupportedError
from synfer_core.faces.align import READ_SIZE, framed, prepare
from synfer_core.facs import Expression
from synfer_core.files import ASSETS
from synfer_core.models import exact
from synfer_core.models.added import Added
from synfer_core.models.backbone import (
    Backbone,
    Capabilities,
    Drafting,
    Generation,
    Guided,
    OwnReader,
    Together,
)
from synfer_core.models.text import shared_encoder
from synfer_core.reference import backbone as reference_backbone
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.report import Annotation, AttentionMaps, Pixels, Progress, Result
from synfer_core.request import Recipe

DEFAULT_FOLDER = ASSETS / "models"
"""The weights that ship."""

THREADS = 2
"""Images that are rendered at once, where a backbone can: two cores are the least that is usual."""

NO_FACE = "No face was found in the picture, so nothing was read off it."


@dataclass(frozen=True)
class Synthesizer:
    """Makes faces from recipes and reads labels off faces, in any number of threads at once.

    Whatever a call keeps is its own, or the network that keeps it takes one call at a time: each
    thread gets what it would get alone.

    Attributes:
        backbones: By name in recipes; ``builtin``, ``facekit``, and those that a user adds.
        annotator: Reads labels and AUs off faces.
    """

    backbones: Mapping[str, Backbone]
    annotator: Annotator

    @classmethod
    def load(cls, folder: Path | None = None, added: Sequence[Added] = ()) -> Self:
        """Read all weights from a folder, by default those that ship, and further backbones.

        Args:
            folder: The built-in model's weights.
            added: Stable Diffusion class models (see `models.stable_diffusion`).

        Raises:
            WeightsError: A weight file is missing, damaged, or does not fit the others.
            UnreachableError: A model has to be fetched from the hub, which does not answer.
            DependencyError: A model needs a library that is not installed.
            CapacityError: The machine has too little memory for a model.
        """
        forking.make_safe()
        place = folder or DEFAULT_FOLDER
        model = load_builtin(place)
        renderer = exact.find(model.capabilities.image_size)
        backbones: dict[str, Backbone] = {"builtin": model, "facekit": renderer}
        for one in added:
            from synfer_core.models.stable_diffusion import StableDiffusion

            backbones[one.name] = StableDiffusion.load(one, place)
        return cls(backbones, Annotator.load(place, model))

    @property
    def read_size(self) -> int:
        """Pixels on a side at which faces are read."""
        abilities = self.backbones["builtin"].capabilities
        return READ_SIZE if abilities.sizes else abilities.image_size

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each backbone can do."""
        return {name: backbone.capabilities for name, backbone in self.backbones.items()}

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe completed, without making anything.

        Raises:
            RequestError: Its backbone is unknown or refuses it.
        """
        return self._backbone(recipe).check(self.informed(recipe))

    def informed(self, recipe: Recipe) -> Recipe:
        """The recipe with the AUs that its reference shows, where nobody has said which.

        FERAnno of the built-in model reads them, which sees far more in a picture than the model's
        own linear reader; the AU reader, which judges, plays no part.

        Raises:
            RequestError: There is no such sample.
            ImageError: The reference is damaged.
            UnsupportedError: It is not square.
        """
        reader = self.annotator.feranno
        if recipe.reference is None or recipe.backbone != "builtin" or reader is None:
            return recipe
        if editing.known_aus(recipe) is not None:
            return recipe
        shown = reader.units(editing.square_of(recipe.reference))
        return recipe.model_copy(update={"reference_aus": shown})

    def stream(self, recipe: Recipe) -> Iterator[Progress | Result]:
        """Make one image step by step; the last item is the `Result`. Closing cancels.

        Raises:
            RequestError: The recipe's backbone is unknown or refuses it.
        """
        backbone = self._backbone(recipe)
        recipe = self.check(recipe)
        seconds: dict[str, float] = {}
        for item in _timed(backbone.stream(recipe), seconds, "generation"):
            if isinstance(item, Progress):
                yield item
            else:
                start = time.perf_counter()
                readings = self._read(backbone, item.image, recipe)
                seconds["annotation"] = time.perf_counter() - start
                yield _result(recipe, item, readings, seconds)

    def _read(self, backbone: Backbone, image: Pixels, recipe: Recipe) -> Readings:
        """What the readers say of an image; one without the built-in crop is aligned first.

        FERAnno of the backbone's own features, where there is one, has the word on the label, and
        the built-in one is then asked only where it votes.
        """
        notes: tuple[str, ...] = ()
        whole_head = recipe.scene is not None and recipe.scene.framing == "head"
        if whole_head or not backbone.capabilities.aligned:
            try:
                face, notes = prepare(image, self.read_size)
            except ImageError:
                return Readings(None, (), AttentionMaps(), (NO_FACE,), None)
        else:
            face = image
        reader = backbone.feranno if isinstance(backbone, OwnReader) else None
        own = None if reader is None else reader.read(image)
        guide = _guide(backbone, recipe)
        readings = self.annotator.read(face, recipe.expression, guide, own)
        return replace(readings, notes=(*notes, *readings.notes))

    def generate(self, recipe: Recipe) -> Result:
        """Make one image (see `stream`)."""
        *_, result = self.stream(recipe)
        assert isinstance(result, Result)
        return result

    def together(self, recipe: Recipe) -> int:
        """How many images the recipe's backbone makes at once.

        Raises:
            RequestError: It is unknown.
        """
        backbone = self._backbone(recipe)
        return backbone.together if isinstance(backbone, Together) else 1

    def stream_several(
        self, recipes: Sequence[Recipe]
    ) -> Iterator[Progress | tuple[Result | SynferError, ...]]:
        """Make several images of a backbone that makes some `together`, in threads.

        The last item has for each recipe its result, or why there is none; before it comes a
        `Progress` for each. Every image is the one that `generate` makes.
        """
        done: list[Result | SynferError] = []
        with ThreadPoolExecutor(THREADS, thread_name_prefix="synfer-several") as pool:
            waiting = [pool.submit(self._tried, recipe) for recipe in recipes]
            try:
                for future in waiting:
                    yield Progress(len(done), len(recipes), "rendering")
                    done.append(future.result())
            finally:
                for future in waiting:
                    future.cancel()
        yield tuple(done)

    def generate_several(self, recipes: Sequence[Recipe]) -> tuple[Result | SynferError, ...]:
        """Make several images (see `stream_several`)."""
        *_, results = self.stream_several(recipes)
        assert isinstance(results, tuple)
        return results

    def _tried(self, recipe: Recipe) -> Result | SynferError:
        try:
            return self.generate(recipe)
        except SynferError as error:
            return error

    def draft(self, recipe: Recipe) -> Iterator[Progress | Draft]:
        """Make one image in a few steps, unread; the last item is the `Draft`. Closing cancels.

        Raises:
            RequestError: The recipe's backbone is unknown, refuses it, or makes no drafts.
        """
        backbone = self._backbone(recipe)
        if not isinstance(backbone, Drafting):
            raise UnsupportedError(
                f"{recipe.backbone!r} makes no drafts",
                field="backbone",
                allowed=", ".join(name for name, b in self.capabilities.items() if b.drafts),
            )
        recipe = self.check(draft_of(recipe))
        for item in backbone.draft(recipe):
            yield item if isinstance(item, Progress) else Draft(recipe, item.image, item.alpha)

    def annotate(self, image: Pixels, label: Expression | None = None) -> Annotation:
        """Read label, AUs and attention off an image (H, W, 3) uint8.

        A face that has the model's own crop and size is read as it is, any other is aligned first.

        Args:
            image: The image.
            label: What it is said to show; FERAnno and the experts vote on that.

        Raises:
            ImageError: There is no face in it.
            ModelError: An expert answers with what is no distribution.
        """
        face, notes = prepare(image, self.read_size)
        readings = self.annotator.read(face, label)
        return Annotation(
            image=face,
            label=readings.label,
            readings=readings.aus,
            attention=readings.attention,
            notes=(*notes, *readings.notes),
            identity_code=readings.identity_code,
            verdict=readings.verdict,
        )

    def edit(
        self,
        source: Pixels | str,
        aus: Mapping[str, float],
        *,
        relative: bool = False,
        made_by: Recipe | None = None,
        **fields: Any,
    ) -> Edit:
        """The recipe that gives a face another expression and keeps the rest; nothing is made yet.

        Args:
            source: An image (H, W, 3) uint8, aligned first unless it has the model's own size; or a
                reference as recipes take it.
            aus: Intensities 0-5, all other AUs absent; with `relative` changes -5 to 5, all other
                AUs as they are.
            relative: Add `aus` to the source's AUs: those of `made_by` or of the sample, else those
                that the AU reader measures.
            made_by: The recipe that made the source, where it is known; it says who is shown, and
                which AUs.
            **fields: Further fields of the recipe.

        Raises:
            RequestError: A value is not allowed.
            ImageError: There is no face in the source.
            UnsupportedError: `relative` needs an AU reader, and these weights have none.
        """
        face, reference, notes = self._to_edit(source)
        who = {} if {"identity_seed", "identity_code"} & set(fields) else _who(made_by)
        values = {"reference": reference, "aus": dict(aus), **_shown(made_by), **who, **fields}
        if not relative:
            return Edit(Recipe.parse(values), None, notes)
        known = editing.known_aus(Recipe.parse({**values, "aus": {}}))
        if known is None:
            known = values["reference_aus"] = self._read_aus(face)
        values["aus"] = editing.relative(known, aus)
        return Edit(Recipe.parse(values), known, notes)

    def _to_edit(self, source: Pixels | str) -> tuple[Pixels, str, tuple[str, ...]]:
        """A face in the model's crop, as recipes take it, and what to know about it."""
        abilities = self.backbones["builtin"].capabilities
        if isinstance(source, str):
            face = editing.square_of(source)
            if not abilities.makes(len(face)):
                least, most = abilities.size_range
                allowed = f"{least} to {most} on a side"
                raise UnsupportedError(f"is {len(face)} px", field="reference", allowed=allowed)
            return face, source, ()
        if source.shape[:2] == (self.read_size, self.read_size):
            return source, editing.reference_of(source), ()
        face, notes = framed(source, abilities.image_size)
        return face, editing.reference_of(face), notes

    def _read_aus(self, face: Pixels) -> Mapping[str, float]:
        """AUs (0-5) that the AU reader measures on a face in the model's crop."""
        if self.annotator.au_reader is None:
            raise UnsupportedError(
                "these weights have no AU reader", field="relative", allowed="absolute AUs"
            )
        return self.annotator.au_reader.read(face).aus

    def _backbone(self, recipe: Recipe) -> Backbone:
        if recipe.backbone not in self.backbones:
            raise UnsupportedError(
                f"{recipe.backbone!r} is not available here",
                field="backbone",
                allowed=", ".join(self.backbones),
            )
        return self.backbones[recipe.backbone]


def load_builtin(folder: Path) -> ReferenceBackbone:
    """The built-in model whose weights a folder has.

    Raises:
        WeightsError: A weight file is missing, damaged, or does not fit the others.
        RequestError: The classifier that the environment names has no fitting label map.
    """
    return reference_backbone.load(folder, exact.find(READ_SIZE), shared_encoder())


def _shown(made_by: Recipe | None) -> dict[str, Any]:
    """The AUs of an earlier result, as a recipe field."""
    if made_by is None or not conditioning.sets_aus(made_by):
        return {}
    return {"reference_aus": made_by.action_units}


def _who(made_by: Recipe | None) -> dict[str, Any]:
    """The person in an earlier result, as recipe fields; its words may have named traits."""
    if made_by is None:
        return {}
    code, known = conditioning.identity_code(editing.with_person(made_by))
    return {"identity_code": tuple(code[0].tolist())} if bool(known.any()) else {}


def _guide(backbone: Backbone, recipe: Recipe) -> str | None:
    """Hash of the classifier that semantic guidance follows: it has no vote on its own work."""
    if not (recipe.guidance.semantic and isinstance(backbone, Guided)):
        return None
    return backbone.reader(recipe).sha256


def _timed(
    items: Iterator[Progress | Generation], seconds: dict[str, float], name: str
) -> Iterator[Progress | Generation]:
    """The items, with the time spent making them, and not between them, added up in `seconds`."""
    while True:
        start = time.perf_counter()
        item = next(items, None)
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
        if item is None:
            return
        yield item


def _result(
    recipe: Recipe, made: Generation, readings: Readings, seconds: Mapping[str, float]
) -> Result:
    return Result(
        recipe=recipe,
        image=made.image,
        label=readings.label,
        readings=readings.aus,
        attention=made.attention,
        seconds=dict(seconds),
        notes=(*made.notes, *readings.notes),
        verdict=readings.verdict,
        guidance_curve=made.guidance_curve,
        reconstruction_psnr=made.reconstruction_psnr,
        alpha=made.alpha,
    )
