"""A set made again from its table alone, and every image compared with what the table says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synfer_core.errors import CancelledError, SynferError, WeightsError
from synfer_core.report import Pixels
from synfer_core.stimuli.making import Clock, Watch, pixels_sha256
from synfer_core.stimuli.store import Store
from synfer_core.stimuli.table import Wanted
from synfer_core.stimuli.tools import Tools
from synfer_core.stimuli.treat import treat


@dataclass(frozen=True)
class Remade:
    """One image of a table.

    Attributes:
        wanted: What the table says.
        image: (S, S, 3) as it is written; None where it could not be made.
        error: Why not; None where it could.
    """

    wanted: Wanted
    image: Pixels | None
    error: SynferError | None = None

    @property
    def pixels_sha256(self) -> str:
        """Of what was made; empty without an image."""
        return "" if self.image is None else pixels_sha256(self.image)

    @property
    def agrees(self) -> bool:
        """Whether it is the image of the table, pixel by pixel."""
        return self.pixels_sha256 == self.wanted.pixels_sha256


def remake(table: Sequence[Wanted], tools: Tools, store: Store, watch: Watch) -> Iterator[Remade]:
    """Make the images of a table, in order; one that cannot be made does not end the run.

    Raises:
        CancelledError: From ``tools.generate`` or `watch`.
    """
    clock = Clock("making", len(table), watch)
    for wanted in table:
        try:
            remade = Remade(wanted, _image(wanted, tools, store))
        except CancelledError:
            raise
        except SynferError as error:
            remade = Remade(wanted, None, error)
        clock.tick(wanted.file, remade.image)
        yield remade


def _image(wanted: Wanted, tools: Tools, store: Store) -> Pixels:
    """The image as it is written.

    Raises:
        WeightsError: Another model than the table's is here.
    """
    here = tools.model_sha256(tools.check(wanted.recipe))
    if here != wanted.model_sha256:
        raise WeightsError(
            "was made with another model", field="model_sha256", allowed=here or "no hash"
        )
    return treat(store.make(wanted.recipe, tools.generate).image, wanted.applied).image
