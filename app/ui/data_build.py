"""One data set in the making: what is asked for, where it goes, and how far it is.

The factory works in a thread of its own, image by image through the device's queue. What it has
made stays in a folder under the name that a person gives, so that another build goes on there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.errands import Errand
from app.jobs import JobQueue
from app.places import Places, checked
from app.settings import Settings
from app.shelf import Files
from app.ui.data_recipe import spec_of
from app.ui.data_view import Face, Rate, card_html, face_of, rates_of
from app.uploads import uploaded
from synfer_core.data.building import Build, Checked, Outcome, made_by
from synfer_core.data.engines import Event, LocalEngine
from synfer_core.data.manifest import Record
from synfer_core.data.plan import Plan
from synfer_core.data.progress import Tally, in_words
from synfer_core.data.spec import DataSet
from synfer_core.data.workshop import maker_of, threads
from synfer_core.errors import RequestError
from synfer_core.files import write_whole
from synfer_core.report import Pixels, Result
from synfer_core.request import Recipe
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

RECIPE, SET = "recipe.yaml", "set"
"""In the folder of a name: the recipe as it was typed, and the set; a table lies beside them."""

_SHOWN = 8


@dataclass(frozen=True)
class Order:
    """What a page asks for.

    Attributes:
        name: Of the folder.
        text: The recipe as it was typed.
        spec: The same, read.
        table: Bytes of the table of action units; None where none is sent.
    """

    name: str
    text: str
    spec: DataSet
    table: bytes | None = None

    @classmethod
    def of(cls, form: object, settings: Settings) -> Order:
        """The order that a page sends.

        Raises:
            RequestError: Names the first field that is wrong and what is allowed there.
        """
        if not isinstance(form, Mapping):
            raise RequestError("the page sent no settings; reload it", field="name")
        spec = spec_of(form.get("text"), settings.data_images)
        sent = form.get("table") if spec.aus.file else None
        table = uploaded(sent, settings.upload_mb) if sent else None
        return cls(checked(form.get("name")), str(form["text"]), spec, table)

    def settle(self, folder: Path) -> Plan:
        """Write down what is asked for, or find it in the folder as it was.

        Raises:
            RequestError: The folder holds something else, or the table is not there.
        """
        known = folder / RECIPE
        table = folder / self.spec.aus.file if self.spec.aus.file else None
        if folder.exists() and not known.exists() and any(folder.iterdir()):
            raise RequestError("has other files", field="name", allowed="a new name")
        if (folder / SET).exists():
            if DataSet.parse_text(known.read_bytes()) != self.spec or self._other(table):
                allowed = "a new name, or the recipe that it was begun with"
                raise RequestError("has a set of another recipe", field="name", allowed=allowed)
            return Plan.of(DataSet.load(known))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot be written: {error.strerror}"
            raise RequestError(why, field="name") from error
        if table is not None and self.table is not None:
            write_whole(table, self.table)
        write_whole(known, self.text.encode())
        return Plan.of(DataSet.load(known))

    def _other(self, table: Path | None) -> bool:
        return table is not None and self.table is not None and table.read_bytes() != self.table


@dataclass(frozen=True)
class Stand:
    """How far a build is.

    Attributes:
        status: In words.
        done, total: Samples.
        rates: By class.
    """

    status: str
    done: int
    total: int
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Finished:
    """A set that is whole.

    Attributes:
        name: Its name.
        outcome: What became of the samples.
        card: Its card, as markup.
        files: None: they are in its folder.
    """

    name: str
    outcome: Outcome
    card: str
    files: Files = field(default_factory=dict)


class Building(Errand[Finished]):
    """One set in the making.

    Args:
        order: What to make.
        page: Whose it is.
        places: Where it goes.
        synthesizer: Makes the images.
        queue: The queue of its device.
        settings: Where the weights are.
    """

    def __init__(
        self,
        order: Order,
        page: str,
        places: Places,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
    ):
        super().__init__("data", synthesizer, queue, self._build)
        self.order, self.page, self.places = order, page, places
        self.models = settings.models or DEFAULT_FOLDER
        self.stand: Stand | None = None
        self.faces: deque[Face] = deque(maxlen=_SHOWN)
        self.fresh = False
        self._image: Pixels | None = None

    def _build(self) -> Finished:
        self.stop_if_cancelled()
        self.places.check_room(self.page)
        with self.places.using(self.page, self.order.name) as folder:
            plan = self.order.settle(folder)
            tools = Tools.of(self.synthesizer, self.models, "none", self._generate)
            maker = maker_of(plan, self.synthesizer, self.models, tools)
            known = made_by(maker, self.models, threads())
            target = folder / SET
            outcome = Build(plan, target, known, LocalEngine(maker), self._watch).run()
            return Finished(self.order.name, outcome, card_html(target))

    def _generate(self, recipe: Recipe) -> Result:
        result = self.generate(recipe)
        self._image = result.image
        return result

    def _watch(self, event: Event | Checked, tally: Tally) -> None:
        """Called in the thread after each sample and shard."""
        self.stand = Stand(_told(event, tally), tally.done, tally.total, rates_of(tally))
        if isinstance(event, Record):
            if event.file and self._image is not None:
                self.faces.appendleft(face_of(event, self._image))
                self.fresh = True
            self._image = None
        self.ring()
        self.stop_if_cancelled()


def _told(event: Event | Checked, tally: Tally) -> str:
    if isinstance(event, Checked) and event.done < event.total:
        return f"Looking at what is there: part {event.done:,} of {event.total:,}"
    if tally.done == tally.total:
        return "Looking for near-duplicates, writing manifest and card"
    left = in_words(tally.seconds_left)
    return f"{tally.done:,} of {tally.total:,} images{': ' if left else ''}{left}"
