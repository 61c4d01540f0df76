from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import PackError
from synfer_core.facekit import compact
from synfer_core.facekit.pack import (
    ICT_TOPOLOGY,
    SHIPPED,
    Topology,
    fetch,
    fetched_path,
    load,
    locate,
    pack_checkout,
    pack_compact,
)

MINI = Topology(
    vertices=5,
    polygons={"face": 0, "headneck": 1, "end": 2},
    ranges={"face": (0, 3), "rest": (4, 4)},
)
POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 2, 1]], float)


def _obj(points: np.ndarray, *, faces: bool = True) -> str:
    lines = [f"v {x} {y} {z}" for x, y, z in points]
    if faces:
        lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
        lines += ["usemtl M_Face", "f 1/1 2/2 3/3 4/4", "usemtl M_BackHead", "f 3/3 5/1 4/4"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "ICT-FaceKit" / "FaceXModel"
    folder.mkdir(parents=True)
    (folder / "generic_neutral_mesh.obj").write_text(_obj(POINTS))
    (folder / "identity000.obj").write_text(_obj(POINTS * 1.5))
    (folder / "identity001.obj").write_text(_obj(POINTS - [0, 0.25, 0]))
    (folder / "jawOpen.obj").write_text(_obj(POINTS - [0, 1, 0]))
    (folder / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": [1] * 68}))
    (folder.parent / "LICENSE").write_text("MIT License\n")
    (folder.parent / "CREDITS.md").write_text("# Credits\n")
    return folder.parent


def test_pack_holds_the_checkout(checkout: Path, tmp_path: Path) -> None:
    pack = load(pack_checkout(checkout, tmp_path / "deep" / "pack.npz", MINI))
    np.testing.assert_array_equal(pack["neutral"], POINTS)
    np.testing.assert_allclose(pack["identity"][0], POINTS * 0.5)
    np.testing.assert_allclose(pack["expression"][0], np.tile([0, -1, 0], (5, 1)))
    assert pack["identity_names"].tolist() == ["identity000", "identity001"]
    assert pack["expression_names"].tolist() == ["jawOpen"]
    assert pack["tri"].tolist() == [[0, 1, 2], [0, 2, 3], [2, 4, 3]]
    assert pack["tri_uv"].tolist() == [[0, 1, 2], [0, 2, 3], [2, 0, 3]]
    assert pack["tri_part"].tolist() == [0, 0, 1]
    assert pack["tri_mat"].tolist() == [0, 0, 1]
    assert pack["tri_poly"].tolist() == [0, 0, 1]
    assert str(pack["license"]).startswith("MIT")
    assert pack.vertices_of("rest") == slice(4, 5)
    assert pack.part("headneck") == 1


def test_same_checkout_same_digest(checkout: Path, tmp_path: Path) -> None:
    first = load(pack_checkout(checkout, tmp_path / "a.npz", MINI))
    second = load(pack_checkout(checkout, tmp_path / "b.npz", MINI))
    assert first.sha256 == second.sha256


def test_mesh_of_another_size_is_refused(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="26719 and 26384"):
        pack_checkout(checkout, tmp_path / "pack.npz", ICT_TOPOLOGY)
    assert not (tmp_path / "pack.npz").exists()


@pytest.mark.parametrize(
    "name",
    [
        "FaceXModel/generic_neutral_mesh.obj",
        "FaceXModel/jawOpen.obj",
        "FaceXModel/identity000.obj",
        "FaceXModel/vertex_indices.json",
        "LICENSE",
        "CREDITS.md",
    ],
)
def test_missing_files_are_named(checkout: Path, tmp_path: Path, name: str) -> None:
    (checkout / name).unlink()
    if name.endswith("identity000.obj"):
        (checkout / "FaceXModel/identity001.obj").unlink()
    with pytest.raises(PackError):
        pack_checkout(checkout, tmp_path / "pack.npz", MINI)
    assert list(tmp_path.glob("pack*")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("generic_neutral_mesh.obj", "v 1 2 three\n"),
        ("generic_neutral_mesh.obj", "f 1/1 2/2\n"),
        ("jawOpen.obj", "v 1 2 3\n"),
        ("jawOpen.obj", "v 1 2\n"),
        ("vertex_indices.json", "{}"),
        ("vertex_indices.json", "not json"),
        ("vertex_indices.json", '{"idx_to_landmark_verts": [99]}'),
    ],
)
def test_broken_files_are_refused(checkout: Path, tmp_path: Path, name: str, text: str) -> None:
    (checkout / "FaceXModel" / name).write_text(text)
    with pytest.raises(PackError):
        pack_checkout(checkout, tmp_path / "pack.npz", MINI)


def test_load_refuses_what_is_no_pack(checkout: Path, tmp_path: Path) -> None:
    good = pack_checkout(checkout, tmp_path / "good.npz", MINI)
    short = tmp_path / "short.npz"
    short.write_bytes(good.read_bytes()[:-200])
    text = tmp_path / "text.npz"
    text.write_text("hello")
    other = tmp_path / "other.npz"
    np.savez(other, neutral=np.zeros((4, 3)))
    for path in (short, text, other):
        with pytest.raises(PackError, match=path.name):
            load(path)


def test_load_refuses_triangles_outside_the_mesh(checkout: Path, tmp_path: Path) -> None:
    good = pack_checkout(checkout, tmp_path / "good.npz", MINI)
    with np.load(good) as data:
        arrays = dict(data)
    arrays["tri"] = arrays["tri"] + 3
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(PackError, match="outside the mesh"):
        load(tmp_path / "bad.npz")


def test_a_compact_pack_is_the_full_one_within_its_limit(checkout: Path, tmp_path: Path) -> None:
    full = load(pack_checkout(checkout, tmp_path / "full.npz", MINI))
    for source in (checkout, tmp_path / "full.npz"):
        made = pack_compact(source, tmp_path / "compact.npz", people=0, topology=MINI)
        small = load(made.path)
        assert set(small.arrays) == set(full.arrays)
        for name in set(full.arrays) - {"identity", "expression"}:
            np.testing.assert_array_equal(small[name], full[name])
        for name in ("identity", "expression"):
            np.testing.assert_allclose(small[name], full[name], atol=compact.STEP, rtol=0)
        assert made.shapes.largest <= compact.LIMIT


def test_steps_keep_signs_and_far_vertices() -> None:
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(3, 50, 3)).astype(np.float32) * [[[0.01]], [[1.0]], [[20.0]]]
    names = {f"{kind}_names": np.array(["a", "b", "c"]) for kind in ("identity", "expression")}
    steps = compact.compacted({"identity": offsets, "expression": -offsets, **names})
    again = compact.expanded(steps)
    for row, step in enumerate(steps["identity_step"]):
        assert step * 32767 >= np.abs(offsets[row]).max()
        np.testing.assert_allclose(again["identity"][row], offsets[row], atol=step / 2, rtol=0)
    np.testing.assert_array_equal(again["expression"], -again["identity"])
    assert steps["identity_step"][0] == np.float32(compact.STEP)
    assert steps["identity_step"][2] > steps["identity_step"][0], "20 cm take a longer step"


def test_a_pack_that_would_move_too_far_is_not_written(checkout: Path, tmp_path: Path) -> None:
    far = POINTS + np.array([400.005, 0, 0])
    (checkout / "FaceXModel/jawOpen.obj").write_text(_obj(far))
    with pytest.raises(PackError, match="jawOpen would move"):
        pack_compact(checkout, tmp_path / "compact.npz", topology=MINI)
    assert not (tmp_path / "compact.npz").exists()


@pytest.mark.parametrize("missing", ["expression_step", "identity_names", "expression_bytes"])
def test_half_a_compact_pack_is_refused(checkout: Path, tmp_path: Path, missing: str) -> None:
    pack_compact(checkout, tmp_path / "compact.npz", people=0, topology=MINI)
    with np.load(tmp_path / "compact.npz") as data:
        arrays = dict(data)
    del arrays[missing]
    np.savez(tmp_path / "half.npz", **arrays)
    with pytest.raises(PackError):
        load(tmp_path / "half.npz")


def test_the_pack_that_ships_keeps_the_limits_and_the_notice() -> None:
    assert SHIPPED.stat().st_size <= compact.MAX_BYTES
    pack = load(SHIPPED)
    assert pack["identity"].shape == (100, 26719, 3)
    assert "MIT License" in str(pack["license"])
    assert "Kalle Bladin" in str(pack["credits"])
    beside = (SHIPPED.parent / "README.md").read_text()
    assert str(pack["license"]).strip() in beside
    assert str(pack["credits"]).strip() in beside
    assert pack.sha256 in beside


def test_locate_prefers_path_then_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, given = tmp_path / "named.npz", tmp_path / "given.npz"
    named.touch()
    given.touch()
    monkeypatch.setenv("SYNFER_FACEKIT", str(named))
    assert locate() == named
    assert locate(given) == given
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SYNFER_FACEKIT")
    assert locate() == SHIPPED, "what ships needs no variable"
    fetched_path().parent.mkdir()
    fetched_path().touch()
    assert locate() == fetched_path()
    with pytest.raises(PackError, match="synfer facekit fetch"):
        locate(tmp_path / "absent.npz")


def test_fetch_clones_and_checks(checkout: Path, tmp_path: Path) -> None:
    git = ["git", "-C", str(checkout), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "mini"]):
        subprocess.run([*git, *command], check=True)
    out = tmp_path / "pack.npz"
    with pytest.raises(PackError, match="5 vertices"):
        fetch(out, url=str(checkout), commit="HEAD")
    with pytest.raises(PackError, match="git failed"):
        fetch(out, url=str(checkout), commit="0" * 40)
    with pytest.raises(PackError, match="git failed"):
        fetch(out, url=str(tmp_path / "nowhere"))
    assert not out.exists()
