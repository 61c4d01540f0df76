"""A gallery of people from which a set is picked: filters, balance, and their neutral faces."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import Any

from app.bounded_store import BoundedStore, Bounds
from app.jobs import JobQueue, State
from app.off_loop import off_loop
from app.turns import in_turn
from app.ui import typed
from app.ui.pictures import preview_url
from app.ui.scene import FRONTAL
from app.ui.typed import MAX_SEEDS
from synfer_core.errors import RequestError, SynferError
from synfer_core.facekit.demographics import FACTORS, Factor, matching, traits_of
from synfer_core.models.backbone import Drafting, Generation
from synfer_core.report import Progress
from synfer_core.request import Recipe
from synfer_core.stimuli.spec import BALANCED_BY, Balanced
from synfer_core.synthesizer import Synthesizer

PAGE = 12
"""Faces that are shown at a time."""

CHOSEN = 24
"""People of a set whose faces are shown."""

SPAN = 2000
"""Identity seeds that one request looks at."""

THUMB = 128
"""Pixels on a side of a face in the gallery."""

RENDERER = "facekit"
"""The backbone that draws the gallery: it is quick, and a seed is the same person everywhere."""

HAIR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bald or shaved": ("bald", "buzz"),
        "short": ("short", "sidepart", "slick", "quiff", "receding"),
        "bob": ("bob", "bob_bangs"),
        "long": ("long", "long_wavy", "long_bangs", "tied"),
        "curly": ("curly_short", "curly_long", "afro"),
    }
)
"""Styles of hair as the filter groups them; together all of `demographics.FACTORS`."""

_KEPT = Bounds(seconds=math.inf, number=2000, size=50_000_000)
"""Pictures are the same for all pages and for ever, so only their number and bytes count."""
_FILTERS: Mapping[Factor, str] = MappingProxyType(
    {"sex": "Apparent sex", "age": "Apparent age", "skin_tone": "Skin tone", "hair": "Hair"}
)
_USUAL_COUNT = 8


def gallery_html() -> str:
    """The gallery's markup; its script fills it."""
    filters = "".join(_filter_html(factor, title) for factor, title in _FILTERS.items())
    ticks = "".join(
        f'<label class="check"><input type="checkbox" data-balance="{factor}" checked> '
        f"{escape(_FILTERS[factor].removeprefix('Apparent ').capitalize())}</label>"
        for factor in BALANCED_BY
    )
    return f"""
<details class="report people" open><summary><h2>People</h2><span class="state"></span></summary>
  <p class="hint">Click the people of your set. Nobody here exists: a number draws each of them, the
    same one in every set.</p>
  <div class="faces chosen" role="group" aria-label="In the set" hidden></div>
  <div class="filters">{filters}</div>
  <div class="faces all" role="group" aria-label="People" aria-live="polite"></div>
  <div class="ends"><button type="button" data-act="more">Show more</button>
    <span class="status" role="status" aria-live="polite"></span></div>
  <fieldset class="field balance"><legend>Or take people who are balanced</legend>
    <label>How many <input type="number" data-act="count" min="1" max="{MAX_SEEDS}"
      value="{_USUAL_COUNT}"></label> {ticks}
    <button type="button" data-act="balance">Take them</button>
    <p class="error" data-error-for="identities.balance identities.count" hidden></p></fieldset>
</details>"""


def _filter_html(factor: Factor, title: str) -> str:
    values = HAIR if factor == "hair" else FACTORS[factor]
    options = "".join(f'<option value="{v}">{escape(v.capitalize())}</option>' for v in values)
    return (
        f'<div class="field"><label for="people-{factor}">{title}</label><select '
        f'id="people-{factor}" data-filter="{factor}"><option value="">Any</option>{options}'
        "</select></div>"
    )


@dataclass(frozen=True)
class Gallery:
    """What the page calls to fill the gallery.

    Attributes:
        synthesizer: Draws the faces, by `RENDERER`.
        queue: The queue of its device.
    """

    synthesizer: Synthesizer
    queue: JobQueue
    _pictures: BoundedStore[str] = field(default_factory=lambda: BoundedStore(_KEPT))

    def server_functions(self) -> list[Callable[[object], Any]]:
        """What the page's script calls, by name."""

        async def read_people(wanted: object) -> dict[str, Any]:
            return await _answered(self._page(wanted))

        async def read_chosen(wanted: object) -> dict[str, Any]:
            return await _answered(self._chosen(wanted))

        async def balance_people(wanted: object) -> dict[str, Any]:
            return await _answered(off_loop(_balanced, wanted))

        return [read_people, read_chosen, balance_people]

    async def _page(self, wanted: object) -> dict[str, Any]:
        """The next people that pass the filters, with their pictures.

        Raises:
            RequestError: A filter or the first seed is wrong.
        """
        filters, first = _asked(wanted)
        seeds = range(first, first + SPAN)
        found = await off_loop(_first_page, filters, seeds)
        people, whole = await self._shown(found), len(found) == PAGE
        return {"people": people, "whole": whole, "next": found[-1] + 1 if whole else seeds.stop}

    async def _chosen(self, wanted: object) -> dict[str, Any]:
        """People by their seeds, which are text.

        Raises:
            RequestError: They are too many, or one is no seed.
        """
        words = wanted[: CHOSEN + 1] if isinstance(wanted, list) else [None]
        found = typed.seeds(",".join(str(word)[:40] for word in words), "identities")
        if len(found) > CHOSEN:
            message = f"{len(found)} people"
            raise RequestError(message, field="identities", allowed=f"at most {CHOSEN} at a time")
        return {"people": await self._shown(found)}

    async def _shown(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        pictures = await self._drawn(seeds)
        told = await off_loop(lambda: {seed: _told(seed) for seed in seeds})
        return [{"seed": str(s), "told": told[s], "picture": pictures[s]} for s in seeds]

    async def _drawn(self, seeds: Sequence[int]) -> dict[int, str]:
        missing = [seed for seed in seeds if self._pictures.get(str(seed)) is None]
        if missing and RENDERER in self.synthesizer.backbones:
            turn = in_turn(self.queue, lambda: self._draw(missing), "people")
            async with contextlib.aclosing(turn):
                async for snapshot in turn:
                    if snapshot and snapshot.error:
                        raise snapshot.error
                    if snapshot and snapshot.state is State.DONE:
                        self._keep(snapshot.result)
        return {seed: self._pictures.get(str(seed)) or "" for seed in seeds}

    def _draw(self, seeds: Sequence[int]) -> Iterator[Progress | dict[int, str]]:
        drawn: dict[int, str] = {}
        for number, seed in enumerate(seeds):
            yield Progress(number, len(seeds), "drawing people")
            drawn[seed] = preview_url(self._neutral(seed).image)
        yield drawn

    def _neutral(self, seed: int) -> Generation:
        fields = {"identity_seed": seed, "facs": "", "size": THUMB, "scene": dict(FRONTAL)}
        backbone = self.synthesizer.backbones[RENDERER]
        assert isinstance(backbone, Drafting)
        (made,) = (
            item
            for item in backbone.draft(Recipe.parse({"backbone": RENDERER, **fields}))
            if isinstance(item, Generation)
        )
        return made

    def _keep(self, pictures: Mapping[int, str]) -> None:
        for seed, picture in pictures.items():
            self._pictures.put(str(seed), picture)


async def _answered(answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await answer
    except SynferError as error:
        return {"error": error.to_dict()}


def _asked(wanted: object) -> tuple[dict[Factor, tuple[str, ...]], int]:
    """Filters and the first seed that a page asks for.

    Raises:
        RequestError: One of them is wrong.
    """
    values = wanted if isinstance(wanted, Mapping) else {}
    first = values.get("first")
    if not isinstance(first, int) or not 1 <= first < 2**53 - SPAN:
        raise RequestError("is no identity seed", field="first", allowed="1 and above")
    chosen = values.get("filters")
    filters: dict[Factor, tuple[str, ...]] = {}
    for factor in _FILTERS:
        value = chosen.get(factor) if isinstance(chosen, Mapping) else None
        if not value:
            continue
        known = HAIR if factor == "hair" else {v: (v,) for v in FACTORS[factor]}
        if not isinstance(value, str) or value not in known:
            allowed = ", ".join(known)
            raise RequestError(f"{value!r} is not known", field=factor, allowed=allowed)
        filters[factor] = known[value]
    return filters, first


def _first_page(filters: Mapping[Factor, tuple[str, ...]], seeds: range) -> list[int]:
    return list(itertools.islice(matching(filters, seeds), PAGE))


def _told(seed: int) -> str:
    traits = traits_of(seed)
    return f"{traits['age']} {traits['sex']}, {traits['skin_tone']} skin"


def _balanced(wanted: object) -> dict[str, Any]:
    """Seeds of people who are balanced, and what each suggests.

    Raises:
        RequestError: A field is wrong, or there are too few such people.
    """
    values = wanted if isinstance(wanted, Mapping) else {}
    seeds = Balanced.parse(values, MAX_SEEDS).seeds
    return {"seeds": [str(seed) for seed in seeds]}
