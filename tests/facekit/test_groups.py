from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from synfer_core.cli import main
from synfer_core.errors import DataError, RequestError
from synfer_core.facekit.action_units import by_side
from synfer_core.facekit.dataset import SCHEMA, render_dataset
from synfer_core.facekit.groups import FLOW_STEPS, PER_GROUP, GroupConfig, GroupSet, members_of
from synfer_core.facekit.identity import sample_code, split_of
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import DISTRIBUTIONS, Scene, sample_aus
from synfer_core.facekit.staging import key_of
from synfer_core.facs import ACTION_UNITS, AU_PHRASES, AU_SLOTS, EXPRESSIONS, PROTOTYPES, to_slots

SMALL = GroupConfig(groups=3, size=32, seed=3, groups_per_shard=2)


@pytest.fixture(scope="module")
def folder(pack_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_dataset(SMALL, tmp_path_factory.mktemp("groups"), pack=pack_path)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"groups": 0}, "groups"),
        ({"size": 8}, "size"),
        ({"seed": -1}, "seed"),
        ({"distribution": "wild"}, "distribution"),
        ({"plan": "all"}, "plan"),
        ({"split": "holdout"}, "split"),
        ({"groups_per_shard": 0}, "groups_per_shard"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        GroupConfig(**{"groups": 1, **wrong})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_a_group_is_one_person_in_one_scene_first_neutral() -> None:
    for number in range(10):
        members = members_of(SMALL, number)
        assert len({key_of(one.scene, 128) for one in members}) == 1
        assert not any(members[0].scene.aus)
        assert (members[0].kind, members[0].scene.expression) == ("neutral", "neutral")
        assert all(one.other != place for place, one in enumerate(members))


def changed_units(one: Scene, other: Scene) -> set[str]:
    pairs = zip(AU_SLOTS, one.aus, other.aus, strict=True)
    return {slot.replace("AUL", "AU").replace("AUR", "AU") for slot, a, b in pairs if a != b}


def test_the_last_picture_differs_from_its_other_in_one_unit() -> None:
    units = set()
    for number in range(60):
        members = members_of(SMALL, number)
        pair = members[-1]
        changed = changed_units(pair.scene, members[pair.other].scene)
        assert (pair.kind, len(changed)) == ("pair", 1)
        unit = int(min(changed)[2:])
        shown = max(by_side(pair.scene.aus)[unit]) > 0.15
        assert not shown or any(phrase in pair.caption for phrase in AU_PHRASES[unit][:2])
        units |= changed
    assert len(units) > 15


def test_groups_hold_all_kinds_and_strengths() -> None:
    members = [one for number in range(60) for one in members_of(SMALL, number)]
    kinds = {one.kind for one in members}
    assert kinds == {"neutral", "graded", "free", "random", "sided", "pair"}
    graded = [one.scene for one in members if one.kind == "graded"]
    assert {one.expression for one in graded} == set(EXPRESSIONS[1:])
    strengths = np.array([max(one.aus) for one in graded])
    assert strengths.min() < 0.25
    assert strengths.max() > 0.9
    sided = [one.scene.aus for one in members if one.kind == "sided"]
    alone = [a for a in sided if sum(v > 0 for v in a) == 1]
    lone = [a for a in alone if AU_SLOTS[int(np.argmax(a))][2] in "LR"]
    assert 5 < len(lone) < len(sided) - 5


def test_captions_of_groups_tell_the_expression() -> None:
    unmoved = ("neutral expression", "relaxed face", "expressionless")
    words = [phrase for one in AU_PHRASES.values() for phrase in one[:2]]
    for one in (one for number in range(20) for one in members_of(SMALL, number)):
        if one.scene.expression == "neutral":
            assert any(phrase in one.caption for phrase in unmoved)
        elif one.scene.expression == "mixed" and max(one.scene.aus) > 0.13:
            told = one.caption.replace(" slightly", "").replace(" strongly", "")
            assert any(phrase in told for phrase in words)


def test_a_plan_of_expressions_shows_the_prototypes() -> None:
    config = replace(SMALL, plan="expressions", distribution="calm")
    members = members_of(config, 4)
    assert [one.scene.expression for one in members] == list(EXPRESSIONS)
    assert all(one.scene.aus == to_slots(PROTOTYPES[one.scene.expression]) for one in members)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_has_its_own_people(split: str) -> None:
    config = replace(SMALL, split=split)
    people = {members_of(config, number)[0].scene.identity.seed for number in range(20)}
    assert {split_of(one) for one in people} == {split}
    assert len(people) == 20


def test_groups_read_back_as_they_were_rendered(folder: Path, renderer: Renderer) -> None:
    groups = GroupSet.open(folder)
    assert (len(groups), groups.size) == (3, 32)
    assert [group.number for group in groups] == [0, 1, 2] == [g.number for g in groups[:]]
    group, members = groups[-1], members_of(SMALL, 2)
    assert group.captions == tuple(one.caption for one in members)
    assert group.kinds == tuple(one.kind for one in members)
    assert group.others.tolist() == [one.other for one in members]
    np.testing.assert_array_equal(group.code, sample_code(group.identity))
    assert group.factors["sex"] == members[0].scene.identity.sex
    for place, one in enumerate(members):
        np.testing.assert_array_equal(group.images[place], renderer.render(one.scene, 32))
        np.testing.assert_allclose(group.aus[place], renderer.labels(one.scene), atol=1e-6)
        np.testing.assert_allclose(
            group.landmarks[place], renderer.landmarks(one.scene, 32), atol=1e-4
        )


def test_flow_leads_to_the_neutral_picture_and_to_the_other(
    folder: Path, renderer: Renderer
) -> None:
    group, members = GroupSet.open(folder)[1], members_of(SMALL, 1)
    scenes = [one.scene for one in members]
    for place in (3, PER_GROUP - 1):
        there = renderer.flow(scenes[place], scenes[0], 32)
        other = renderer.flow(scenes[place], scenes[members[place].other], 32)
        step = 0.51 / FLOW_STEPS
        np.testing.assert_allclose(group.to_neutral[place], there.offset, atol=step)
        np.testing.assert_allclose(group.to_other[place], other.offset, atol=step)
        np.testing.assert_array_equal(group.seen_neutral[place], there.visible)
        np.testing.assert_array_equal(group.seen_other[place], other.visible)
    assert np.abs(group.to_neutral[3]).max() > 0.1


def test_groups_are_a_plain_data_set_too(folder: Path) -> None:
    table = pq.read_table(folder)
    assert set(SCHEMA.names) < set(table.schema.names)
    assert table["index"].to_pylist() == list(range(3 * PER_GROUP))


def test_a_run_goes_on_and_gives_the_same_bytes(
    folder: Path, pack_path: Path, tmp_path: Path
) -> None:
    first = folder / "shard-000000.parquet"
    (tmp_path / first.name).write_bytes(first.read_bytes())
    render_dataset(SMALL, tmp_path, pack=pack_path)
    again = tmp_path / "shard-000001.parquet"
    assert again.read_bytes() == (folder / again.name).read_bytes()


def test_shards_without_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no groups"):
        GroupSet.open(tmp_path)
    (tmp_path / "shard-000000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="damaged"):
        GroupSet.open(tmp_path)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--groups", "2", "--count", "9"], "--count"),
        (["--groups", "2", "--per-shard", "12"], "--per-shard"),
        (["--flow"], "--flow"),
        (["--plan", "mixed"], "--plan"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["facekit", "render", str(tmp_path), *options]) != 0
    assert field in capsys.readouterr().err


def test_half_draws_every_unit_in_half_of_the_pictures() -> None:
    rng = np.random.default_rng(5)
    drawn = [sample_aus(rng, None, DISTRIBUTIONS["half"].modes)[0] for _ in range(400)]
    shown = np.array(drawn) > 0
    for number, unit in ACTION_UNITS.items():
        keys = [f"AUL{number}", f"AUR{number}"] if unit.sided else [unit.key]
        share = shown[:, [AU_SLOTS.index(key) for key in keys]].any(1).mean()
        assert (0.4 if number != 25 else 0.5) < share < (0.6 if number != 25 else 0.9)
