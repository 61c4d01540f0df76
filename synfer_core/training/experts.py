"""Fits how FERAnno and the experts are weighed (`synfer experts fit`), on validation people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synfer_core.annotation import Annotator
from synfer_core.errors import RequestError, WeightsError
from synfer_core.evaluation.feranno import Faces, faces, in_parts
from synfer_core.files import read_text_bytes
from synfer_core.models import experts
from synfer_core.models.experts import FILES, Expert, Kind
from synfer_core.models.image_classifier import Labels, read_labels
from synfer_core.panel import Ballot, Seat, place
from synfer_core.training.feranno import readable
from synfer_core.training.reading import refuse_shared_identities
from synfer_core.voting import RULES, Rules


@dataclass(frozen=True)
class Outsider:
    """An expert from elsewhere.

    Attributes:
        source: Folder or hub id.
        labels: The meaning of its classes; None goes by their names.
    """

    source: str
    labels: Labels | None = None


@dataclass(frozen=True)
class Invited:
    """Who is to vote beside the experts that the folder of weights brings along.

    Attributes:
        outsiders: By name.
        mediapipe: Whether MediaPipe's action units vote.
    """

    outsiders: Mapping[str, Outsider] = field(default_factory=dict)
    mediapipe: bool = False


def invited(
    sources: Mapping[str, str], labels: Mapping[str, str], *, mediapipe: bool = False
) -> Invited:
    """Who is to vote, from folders or hub ids and label files by name.

    Raises:
        RequestError: A name is taken, a label file has no expert, or it is no label map.
    """
    taken = set(experts.KINDS) & set(sources)
    if taken:
        raise RequestError(f"{min(taken)} is taken", field="--expert", allowed="another name")
    if set(labels) - set(sources):
        name = min(set(labels) - set(sources))
        raise RequestError(f"there is no expert {name}", field="--labels", allowed="as in --expert")
    maps = {
        name: read_labels(read_text_bytes(Path(path), "--labels"), "--labels")
        for name, path in labels.items()
    }
    return Invited({n: Outsider(where, maps.get(n)) for n, where in sources.items()}, mediapipe)


def fit_folder(
    folder: Path,
    guests: Invited,
    data: Sequence[Path],
    *,
    apart_from: Sequence[Path] = (),
    limit: int | None = None,
) -> Ballot:
    """`fit` for a folder of weights; raises what it and reading the weights raise."""
    annotator = Annotator.load(folder, readable(folder))
    aus = annotator.au_reader.net if annotator.au_reader else None
    shipped = experts.shipped(folder, annotator.feranno, aus)
    return fit(folder, shipped, guests, data, apart_from=apart_from, limit=limit)


def lines(ballot: Ballot) -> list[str]:
    """What was fitted, in words."""
    vote = ballot.all
    losses = ", ".join(f"{pool} {loss:.4f}" for pool, loss in vote.likelihood.items())
    relabel = "never" if vote.relabel is None else f"from {vote.relabel:.3f}"
    return [
        f"{ballot.images} validation images of {ballot.people} people",
        f"loss of held-out people: {losses}; {vote.pool} it is",
        *(f"  {name}: weight {weight:.3f}" for name, weight in vote.weights.items()),
        f"labels are confirmed from {vote.confirm:.3f}, replaced {relabel}",
    ]


def fit(
    folder: Path,
    shipped: Mapping[str, Expert],
    invited: Invited,
    data: Sequence[Path],
    *,
    apart_from: Sequence[Path] = (),
    limit: int | None = None,
    rules: Rules = RULES,
    tell: Callable[[str], None] = print,
) -> Ballot:
    """Weigh experts and choose thresholds on the validation people of some data sets.

    Args:
        folder: The weights.
        shipped: From `experts.shipped`, for this folder.
        invited: Who votes beside them.
        data: Rendered data sets; the ``val`` split of each is taken.
        apart_from: Data sets whose people are refused.
        limit: Images at most of each data set.
        rules: How thresholds are chosen.
        tell: Told of each expert that is asked.

    Raises:
        DataError: There is no such image, or someone is in a data set of `apart_from`.
        WeightsError: There is no expert, or one cannot be read.
        ModelError: An expert answers with what is no distribution.
    """
    for ours in data:
        for theirs in apart_from:
            refuse_shared_identities(ours, theirs)
    found = summon(folder, shipped, invited)
    shown = validation(data, limit)
    asked = {}
    for name, expert in found.items():
        tell(f"asking {name} about {len(shown.labels)} images")
        asked[name] = in_parts(expert.probabilities, shown.images)
    seats = {name: _seat(expert, folder, invited) for name, expert in found.items()}
    return Ballot.fit(seats, asked, shown.labels, shown.people, rules)


def summon(folder: Path, shipped: Mapping[str, Expert], invited: Invited) -> dict[str, Expert]:
    """All experts by name.

    Raises:
        WeightsError: There is none, or one cannot be read.
        DependencyError: An expert needs a library that is not here.
        RequestError: The classes of one have no meaning.
    """
    found = dict(shipped)
    if invited.mediapipe:
        found["mediapipe-rules"] = experts.mediapipe_rules()
    for name, outsider in invited.outsiders.items():
        found[name] = experts.other(name, place(outsider.source, folder), outsider.labels)
    if not found:
        allowed = " or ".join(FILES.values())
        raise WeightsError("no expert here", field=str(folder), allowed=allowed)
    return found


def validation(data: Sequence[Path], limit: int | None = None) -> Faces:
    """The labelled validation images of some data sets at intensity B and up.

    Raises:
        DataError: One has none.
    """
    parts = [faces(folder, "val", limit=limit) for folder in data]
    return Faces(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in Faces.__dataclass_fields__)
    )


def _seat(expert: Expert, folder: Path, invited: Invited) -> Seat:
    outsider = invited.outsiders.get(expert.name)
    if outsider is None:
        return Seat(_KINDS[expert.name], expert.sha256)
    return Seat("other", expert.sha256, _portable(outsider.source, folder), outsider.labels)


_KINDS: Mapping[str, Kind] = {kind: kind for kind in experts.KINDS}


def _portable(source: str, folder: Path) -> str:
    """Below the weights' folder where it lies there, else whole."""
    inside = Path(place(source, folder)).resolve()
    if inside.is_relative_to(folder.resolve()):
        return str(inside.relative_to(folder.resolve()))
    return str(inside) if inside.is_dir() else source
