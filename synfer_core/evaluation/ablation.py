"""What does each part of the method add? The paper's ablation (Figure 4) and generation table.

SynFER: He et al. 2025, https://arxiv.org/abs/2410.09865. The same people in the same noise show
eight expressions, asked for by a bare prompt and then by one part more in each row. Readers that
took no part in generation say what came of it; exact renders of the same say what those readers
can tell at all. Definitions: docs/ablation.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from pathlib import Path
from typing import Any

from synfer_core.errors import RequestError
from synfer_core.evaluation import ablation_plan
from synfer_core.evaluation.ablation_plan import EXACT, PARTS, Plan
from synfer_core.evaluation.ablation_row import SHOWN, Distance, Floats, Row, Spaces
from synfer_core.evaluation.album import Album, Shot
from synfer_core.evaluation.estimates import DRAWS, Estimate
from synfer_core.evaluation.gauges import Gauges
from synfer_core.evaluation.pictures import completed
from synfer_core.evaluation.semantic import mark
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import EXPRESSIONS
from synfer_core.models.backbone import Backbone
from synfer_core.models.guides import FILES
from synfer_core.request import Recipe

_OTHERS = "others"
_SHEET_PEOPLE = 2
_NO_IDENTITY = "drift: these weights have no identity reader (identity.safetensors)"
_NO_EXACT = "frechet: the exact renders were left out"


@dataclass(frozen=True)
class Ablation:
    """All rows on the same people.

    Attributes:
        plan: What was asked for.
        rows: By name; None for one whose guiding classifier is not there.
        exact: Exact renders of the same people and expressions; None without the renderer.
        others: (P, 8, F) features of renders of other people.
        spaces: Names of the feature spaces of ``diversity`` and ``frechet``.
        weights_sha256: The weights that made the images, without guidance.
        gauges_sha256: SHA-256 of the readers' files.
        seconds: Time it took.
        draws: Bootstrap samples.
    """

    plan: Plan
    rows: Mapping[str, Row | None]
    exact: Row | None
    others: Floats | None
    spaces: Mapping[str, str]
    weights_sha256: str | None
    gauges_sha256: Mapping[str, str]
    seconds: float
    draws: int = DRAWS

    @cached_property
    def made(self) -> dict[str, Row]:
        """The rows that were made, in order."""
        return {name: row for name, row in self.rows.items() if row is not None}

    @cached_property
    def distances(self) -> dict[str, Distance]:
        """By row, to exact renders of the same; of these, to renders of other people."""
        if self.exact is None or self.others is None:
            return {}
        reference = self.exact.seen
        found = {n: Distance.between(row.seen, reference) for n, row in self.made.items()}
        return found | {EXACT: Distance.between(self.others, reference)}

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures as JSON."""
        told = {name: self._told(row) for name, row in self.made.items()}
        return {
            "images_a_row": self.plan.people * SHOWN,
            "people": self.plan.people,
            "steps": self.plan.steps,
            "weights_sha256": self.weights_sha256,
            "gauges_sha256": dict(self.gauges_sha256),
            "spaces": dict(self.spaces),
            "rows": {name: told.get(name) for name in self.rows},
            EXACT: None if self.exact is None else self._told(self.exact),
            "notes": list(self._notes()),
            "seconds": round(self.seconds, 1),
        }

    def _told(self, row: Row) -> dict[str, Any]:
        distance = self.distances[row.name].estimate() if self.distances else None
        against = () if row is self.exact else ablation_plan.before(row.name, self.made)
        return {
            **nested(_complete(row.estimates(self.draws), distance)),
            "expressions": row.by_expression(),
            "against": {name: nested(self._beyond(row, self.made[name])) for name in against},
        }

    def _beyond(self, row: Row, other: Row) -> dict[str, Estimate | None]:
        found, gap = self.distances, None
        if found:
            gap = found[row.name].beyond(found[other.name])
        return _complete(row.beyond(other, self.draws), gap)

    def _notes(self) -> Iterator[str]:
        """What could not be measured, and why."""
        for name, row in self.rows.items():
            guide = PARTS[name].guide
            if row is None and guide:
                yield f"{name} is left out: {FILES[guide]}, which would guide it, is not here"
        if any(row.codes is None for row in self.made.values()):
            yield _NO_IDENTITY
        if self.exact is None:
            yield _NO_EXACT

    def lines(self) -> list[str]:
        """The figures as a table in Markdown, and what each row has beyond those before it."""
        told = {**self.figures["rows"], EXACT: self.figures[EXACT]}
        found = {name: row for name, row in told.items() if row is not None}
        lead = f"{self.plan.people * SHOWN} images a row, of {self.plan.people} people"
        gaps = chain.from_iterable(_gaps(name, row) for name, row in found.items())
        spaces = [f"{name} in the space of {space}" for name, space in self.spaces.items()]
        return [lead, *_table(found), *gaps, *spaces, *self.figures["notes"]]

    def sheet(self) -> bytes:
        """Rows by expressions of the first people as JPEG; frames say what the judges read."""
        shown = [*self.made.values(), *([] if self.exact is None else [self.exact])]
        people = range(min(_SHEET_PEOPLE, self.plan.people))
        cells = [(row, person) for person in people for row in shown]
        return contact_sheet(
            [list(row.images[person]) for row, person in cells],
            row_names=[row.name for row, _ in cells],
            column_names=EXPRESSIONS,
            marks=[[mark(row.read[person, i], i) for i in range(SHOWN)] for row, person in cells],
        )


def _complete(
    found: Mapping[str, Estimate], distance: Estimate | None
) -> dict[str, Estimate | None]:
    """With what could not be read as None."""
    return {**found, "drift": found.get("drift"), "frechet": distance}


def nested(found: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Estimates as JSON, ``a.b`` as b in a."""
    told: dict[str, Any] = {}
    for name, estimate in found.items():
        part, _, rest = name.partition(".")
        place = told.setdefault(part, {}) if rest else told
        place[rest or part] = None if estimate is None else estimate.to_dict()
    return told


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The estimates in a row of `nested` by dotted name."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("expressions", "against"):
            continue
        alone = value is None or "value" in value
        found |= {name: value} if alone else {f"{name}.{k}": v for k, v in value.items()}
    return found


def _table(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    columns = list(_flat(next(iter(rows.values()))))
    yield _bar(["row", *columns])
    yield _bar(["---"] * (1 + len(columns)))
    for name, row in rows.items():
        yield _bar([name, *(f"{e['value']:.3f}" if e else "" for e in _flat(row).values())])


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _gaps(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    for other, gaps in row["against"].items():
        told = [
            f"{figure} {gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
            for figure, gap in _flat(gaps).items()
            if gap
        ]
        yield f"{name} against {other}: {', '.join(told)}"


def measure(
    backbone: Backbone,
    exact: Backbone | None,
    gauges: Gauges,
    spaces: Spaces,
    plan: Plan,
    *,
    tell: Callable[[int, int], None],
    keep: Path | None = None,
    draws: int = DRAWS,
) -> Ablation:
    """Make every row and read it.

    Args:
        backbone: The model under test.
        exact: The exact renderer; None leaves it and the Fréchet distance out.
        gauges: The readers; none of them guides.
        spaces: Where distances are measured.
        plan: What to ask for.
        tell: Called with images made and in all.
        keep: A folder in which images are kept; those that are there are not made again.
        draws: Bootstrap samples.

    Raises:
        RequestError: The classifiers for all rows are missing, the backbone refuses a recipe, or
            the folder cannot be written to.
        DataError: The folder holds what is no image of an earlier run.
    """
    start = time.perf_counter()
    asked, rendered = _asked(backbone, plan), {} if exact is None else _rendered(exact, plan)
    one_more = _counter(tell, [*asked.values(), *rendered.values()])
    shots = _shoot(Album(backbone, keep, one_more), asked)
    if exact is not None:
        shots |= _shoot(Album(exact, None, one_more), rendered)
    rows = {name: Row.of(name, made, gauges, spaces) for name, made in shots.items()}
    return Ablation(
        plan=plan,
        rows={name: rows.get(name) for name in plan.rows},
        exact=rows.get(EXACT),
        others=rows[_OTHERS].seen if _OTHERS in rows else None,
        spaces={name: space.name for name, space in vars(spaces).items()},
        weights_sha256=completed(backbone, ablation_plan.recipes(plan, "base")[0]).weights_sha256,
        gauges_sha256=gauges.sha256,
        seconds=time.perf_counter() - start,
        draws=draws,
    )


def _asked(backbone: Backbone, plan: Plan) -> dict[str, list[Recipe]]:
    """Recipes of the rows whose guiding classifier is there, all of them checked."""
    guides = {None, *backbone.capabilities.guides}
    names = [name for name in plan.rows if PARTS[name].guide in guides]
    if not names:
        allowed = "rows without guidance, or a folder with the classifiers that guide"
        raise RequestError("no row can be made with these weights", field="rows", allowed=allowed)
    return {n: [completed(backbone, r) for r in ablation_plan.recipes(plan, n)] for n in names}


def _rendered(exact: Backbone, plan: Plan) -> dict[str, list[Recipe]]:
    wanted = {EXACT: ablation_plan.renders(plan)}
    wanted[_OTHERS] = ablation_plan.renders(plan, others=True)
    return {name: [completed(exact, r) for r in part] for name, part in wanted.items()}


def _counter(
    tell: Callable[[int, int], None], asked: Sequence[Sequence[Recipe]]
) -> Callable[[], None]:
    """Counts the images of some recipes, equal ones once."""
    total = len({recipe.to_json() for recipe in chain.from_iterable(asked)})
    done = count(1)
    return lambda: tell(next(done), total)


def _shoot(album: Album, asked: Mapping[str, Sequence[Recipe]]) -> dict[str, list[Shot]]:
    """All rows of one person and expression at a time, so that other load falls on all alike."""
    shots = [[album(recipe) for recipe in column] for column in zip(*asked.values(), strict=True)]
    return {name: list(row) for name, row in zip(asked, zip(*shots, strict=True), strict=True)}
