from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synfer_core.decoding import to_tensor
from synfer_core.errors import DataError, RequestError
from synfer_core.evaluation.features import Space
from synfer_core.lab.curves import Curves, over_seeds
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import NetConfig
from synfer_core.lab.scaling import Bench, Cell, Outcome, Plan
from synfer_core.lab.steps import Budget
from synfer_core.lab.target import Target

PLAN = Plan(
    sizes=(16, 64, 500),
    seeds=2,
    reference=32,
    net=NetConfig("resnet", 32, widths=(16, 32), depths=(1, 1)),
    augment="none",
    supervised=Budget(320, 32, learning_rate=5e-3),
    pretraining=Budget(64, 32),
)


@pytest.fixture
def bench(training: Faces, test_faces: Faces, tmp_path: Path) -> Bench:
    sources = {"made": training, "photos": training.first(40, 0)}
    return Bench(PLAN, sources, test_faces, tmp_path, real="photos")


def test_the_plan_has_every_size_that_there_is_and_one_real(bench: Bench) -> None:
    cells = bench.cells()
    assert {(c.source, c.size) for c in cells} == {("made", 16), ("made", 64), ("photos", 32)}
    assert {c.method for c in cells} == {"supervised", "simclr"}
    assert len(cells) == len(set(cells)) == 3 * 2 * 2
    assert [c.seed for c in cells] == sorted(c.seed for c in cells)
    with pytest.raises(DataError, match="so many images"):
        replace(bench, plan=replace(PLAN, sizes=(500,))).cells()


def test_cells_are_made_once_and_the_same_again(bench: Bench) -> None:
    few = replace(bench, plan=replace(PLAN, methods=("supervised",), sizes=(16,)))
    told: list[tuple[int, int]] = []
    outcomes = few.run(lambda done, total: told.append((done, total)))
    assert told[-1] == (4 * 320, 4 * 320)
    assert told == sorted(told)
    again = few.run(lambda done, total: pytest.fail("nothing is to be made"))
    assert again == outcomes
    cell = Cell("made", "supervised", 16, 1)
    few.path(cell).unlink()
    assert few.run()[cell].accuracy == outcomes[cell].accuracy
    few.path(cell).write_text("{")
    with pytest.raises(DataError, match="delete it"):
        few.run()


def test_what_decides_a_cell_is_in_its_name(bench: Bench, test_faces: Faces) -> None:
    cell = Cell("made", "supervised", 16, 0)
    others = [
        replace(bench, plan=replace(PLAN, augment="mild")),
        replace(bench, plan=replace(PLAN, supervised=Budget(320, 16))),
        replace(bench, plan=replace(PLAN, net=replace(PLAN.net, depths=(1, 2)))),
        replace(bench, test=test_faces.take(np.arange(8))),
        replace(bench, sources={"made": bench.sources["photos"]}),
    ]
    assert len({b.path(cell).name for b in (bench, *others)}) == 6
    unconcerned = replace(bench, plan=replace(PLAN, pretraining=Budget(128, 32)))
    assert unconcerned.path(cell) == bench.path(cell)


def test_self_supervised_cells_end_in_a_probe(bench: Bench) -> None:
    outcome = bench.make(Cell("made", "simclr", 64, 0))
    assert 0.125 < outcome.accuracy <= 1
    assert bench.kept(Cell("made", "simclr", 64, 0)) == outcome


MEANS = Space("means", lambda images: images.mean((1, 2)).astype(np.float64))


@pytest.mark.parametrize(
    ("space", "norms"), [(None, True), (MEANS, False)], ids=["norms", "weights"]
)
def test_aligned_cells_are_brought_near_to_the_target(
    bench: Bench, test_faces: Faces, space: Space | None, norms: bool
) -> None:
    plan = replace(PLAN, methods=("supervised", "aligned"), sizes=(64,))
    with pytest.raises(RequestError, match="--align"):
        replace(bench, plan=plan)
    aligned = replace(bench, plan=plan, target=Target(test_faces, space, norms))
    assert ("photos", "aligned") not in {(c.source, c.method) for c in aligned.cells()}
    cell = Cell("made", "aligned", 64, 0)
    plain, near = (aligned.learned(replace(cell, method=m)) for m in ("supervised", "aligned"))
    images = to_tensor(test_faces.images)
    assert not torch.equal(plain(images), near(images))
    others = [Target(test_faces.take(np.arange(12)), space, norms), Target(test_faces, MEANS)]
    benches = [aligned, *(replace(aligned, target=other) for other in others)]
    assert len({b.path(cell).name for b in benches}) == 3
    assert {b.path(replace(cell, method="simclr")) for b in (bench, *benches)} == {
        bench.path(replace(cell, method="simclr"))
    }


@pytest.fixture
def curves() -> Curves:
    outcomes = {
        Cell(source, method, size, seed): Outcome(base + size / 4000 + seed / 100, base, 1.0)
        for source, base in (("generated", 0.3), ("renders", 0.4))
        for method in ("supervised", "simclr")
        for size in (250, 1000)
        for seed in range(3)
    }
    for seed in range(3):
        outcomes[Cell("photos", "supervised", 1000, seed)] = Outcome(0.8, 0.8, 1.0)
    return Curves(Plan(), outcomes, 0.125, real="photos")  # type: ignore[arg-type]


def test_rows_are_means_with_intervals_over_seeds(curves: Curves) -> None:
    rows = list(csv.DictReader(io.StringIO(curves.to_csv().decode())))
    assert len(rows) == 9
    row = next(r for r in rows if (r["source"], r["method"]) == ("generated", "supervised"))
    assert (row["size"], row["seeds"], row["real"]) == ("250", "3", "False")
    assert float(row["accuracy"]) == pytest.approx(0.3725, abs=1e-4)
    assert float(row["accuracy_high"]) == pytest.approx(0.3725 + 4.3027 * 0.01 / 3**0.5, abs=1e-4)
    json.dumps(curves.to_dict())
    assert "generated, SimCLR, 1,000 images: accuracy 0.560" in "\n".join(curves.lines())


def test_shares_of_other_curves_and_of_the_real_line(curves: Curves) -> None:
    shares = {(r["source"], r["method"], r["size"], r["of"]): r["share"] for r in curves.relative()}
    assert shares["generated", "supervised", 1000, "renders"] == pytest.approx(
        0.56 / 0.66, abs=1e-3
    )
    assert shares["renders", "supervised", 250, "photos"] == pytest.approx(0.4725 / 0.8, abs=1e-3)
    assert ("renders", "simclr", 250, "photos") not in shares
    assert not any(source == "photos" for source, *_ in shares)


def test_the_share_of_the_gap_that_alignment_closes(curves: Curves) -> None:
    assert curves.closed() == []
    more = {
        Cell(source, "aligned", 1000, seed): Outcome(accuracy, accuracy, 1.0)
        for source, accuracy in (("generated", 0.61), ("renders", 0.61))
        for seed in range(3)
    }
    closed = replace(curves, outcomes={**curves.outcomes, **more}).closed()
    shares = {(row["source"], row["of"]): (row["gap"], row["closed"]) for row in closed}
    assert shares == {  # renders are ahead of generated ones, so there is no gap the other way
        ("generated", "renders"): (0.1, 0.5),
        ("generated", "photos"): (0.24, pytest.approx(0.05 / 0.24, abs=1e-4)),
        ("renders", "photos"): (0.14, pytest.approx(-0.05 / 0.14, abs=1e-4)),
    }


def test_the_picture_is_light_and_large_enough(curves: Curves) -> None:
    with Image.open(io.BytesIO(curves.picture("Scaling"))) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels[0, 0] == 255
    assert np.median(pixels) == 255
    assert pixels.shape[1] > 800
    assert (pixels < 120).mean() > 0.005


def test_one_seed_has_no_interval() -> None:
    assert over_seeds([0.4]).low == over_seeds([0.4]).high == 0.4


@pytest.mark.parametrize(
    "values", [{"seeds": 1}, {"sizes": ()}, {"sizes": (4,)}, {"methods": ("magic",)}]
)
def test_plans_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        replace(PLAN, **values)  # type: ignore[arg-type]
