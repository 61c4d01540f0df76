"""Images read one after another: what all readers say of each, or why one cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from synfer_core.errors import CancelledError, DependencyError, SynferError, WeightsError, about
from synfer_core.faces.images import decode_image
from synfer_core.faces.landmarks import Face, shared_landmarker
from synfer_core.faces.second_opinion import SecondOpinion, second_opinion
from synfer_core.facs import Expression
from synfer_core.report import Annotation, AUReading, Pixels
from synfer_core.synthesizer import Synthesizer


@dataclass(frozen=True)
class Source:
    """An image to be read.

    Attributes:
        name: What it is called in the table.
        load: Gives its bytes; may raise `ImageError`.
    """

    name: str
    load: Callable[[], bytes]


@dataclass(frozen=True)
class Read:
    """What the readers say of one image.

    Attributes:
        file: Its name.
        annotation: Label, AUs of the AU reader, attention, verdict.
        opinion: What MediaPipe says of the same crop.
        face: The largest face MediaPipe finds, in pixels of the file upright; None without one.
        said: The label it was said to have.
    """

    file: str
    annotation: Annotation
    opinion: SecondOpinion
    face: Face | None
    said: Expression | None = None

    @property
    def aus(self) -> AUReading | None:
        """What the AU reader measured; None where these weights have none."""
        return self.annotation.readings[0] if self.annotation.readings else None


@dataclass(frozen=True)
class Failed:
    """An image that cannot be read.

    Attributes:
        file: Its name.
        error: Why.
    """

    file: str
    error: SynferError


Outcome = Read | Failed


def read_all(
    synthesizer: Synthesizer,
    sources: Iterable[Source],
    said: Expression | None = None,
    patience: float | None = None,
) -> Iterator[Outcome]:
    """Read images one by one; one that cannot be read comes as `Failed` and ends nothing.

    Args:
        synthesizer: Reads labels and AUs.
        sources: The images.
        said: What they are said to show; FERAnno and the experts vote on that.
        patience: Seconds to wait while MediaPipe is loaded the first time; None waits to the end.

    Raises:
        CancelledError: From a source; ends the run.
    """
    for source in sources:
        try:
            outcome: Outcome = _read(synthesizer, source, said, patience)
        except CancelledError:
            raise
        except SynferError as error:
            outcome = Failed(source.name, error)
        yield outcome


def voted(synthesizer: Synthesizer, read: Read, said: Expression | None) -> Read:
    """The same image with another label to vote on, read off its crop again.

    Args:
        synthesizer: Reads labels and AUs.
        read: The image as it was read without a label.
        said: What it is said to show; None takes the vote away.
    """
    if said is None:
        return read
    again = synthesizer.annotate(read.annotation.image, said)
    notes = tuple(dict.fromkeys((*read.annotation.notes, *again.notes)))
    return replace(read, annotation=replace(again, notes=notes), said=said)


def _read(
    synthesizer: Synthesizer, source: Source, said: Expression | None, patience: float | None
) -> Read:
    with about(source.name):
        image = decode_image(source.load(), source.name)
        annotation = synthesizer.annotate(image, said)
    opinion = second_opinion(annotation.image, patience)
    same = image.shape == annotation.image.shape
    face = opinion.face if same else _find(image, patience)
    return Read(source.name, annotation, opinion, face, said)


def _find(image: Pixels, patience: float | None) -> Face | None:
    """The largest face in an image (H, W, 3); None where there is none or no MediaPipe."""
    try:
        return next(iter(shared_landmarker(patience).detect(image)), None)
    except (DependencyError, WeightsError):  # the second opinion says so
        return None
