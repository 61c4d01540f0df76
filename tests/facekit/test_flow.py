from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, scene_for

SIZE = 128
FACE = slice(24, 120), slice(24, 104)


def scenes(aus: dict[str, float], identity: int = 3, **traits: object) -> tuple[Scene, Scene]:
    shown, neutral = (
        scene_for(units, identity=identity, seed=5, traits=traits) for units in (aus, {})
    )
    return shown, neutral


def warped(image: NDArray[np.uint8], offset: NDArray[np.float32]) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    places = columns + offset[..., 0], rows + offset[..., 1]
    return np.asarray(cv2.remap(image, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    error = (one.astype(float) - other.astype(float))[where]
    return float(10 * np.log10(255**2 / (error**2).mean()))


@pytest.mark.parametrize("aus", [{"AU12": 5.0}, {"AU1": 3.0, "AU2": 3.0, "AU26": 4.0}])
def test_the_reference_warped_by_the_flow_is_nearer_to_the_picture(
    renderer: Renderer, aus: dict[str, float]
) -> None:
    shown, neutral = scenes(aus, glasses="none")
    flow = renderer.flow(shown, neutral, SIZE)
    picture, reference = renderer.render(shown, SIZE), renderer.render(neutral, SIZE)
    where = np.zeros((SIZE, SIZE), bool)
    where[FACE] = flow.visible[FACE]
    copied = psnr(picture, reference, where)
    assert psnr(picture, warped(reference, flow.offset), where) > copied + 3


def test_a_picture_lies_on_itself(renderer: Renderer) -> None:
    shown, _ = scenes({"AU4": 3.0})
    flow = renderer.flow(shown, shown, SIZE)
    assert np.abs(flow.offset).max() < 0.05
    assert flow.visible.mean() > 0.97


def test_frames_stay_while_the_brows_behind_them_rise(renderer: Renderer) -> None:
    aus = {"AU1": 5.0, "AU2": 5.0, "AU5": 5.0}
    bare, framed = (scenes(aus, glasses=kind) for kind in ("none", "thick"))
    without, behind = (renderer.flow(*pair, SIZE) for pair in (bare, framed))
    changed = np.abs(
        renderer.render(bare[1], SIZE).astype(int) - renderer.render(framed[1], SIZE)
    ).sum(-1)
    frame = changed > 150
    assert frame.sum() > 100
    moves = np.linalg.norm(without.offset, axis=-1)[frame].mean()
    assert np.linalg.norm(behind.offset, axis=-1)[frame].mean() < 0.5 * moves


def test_what_a_closed_mouth_hides_is_not_visible_in_it(renderer: Renderer) -> None:
    shown, neutral = scenes({"AU25": 5.0, "AU27": 5.0})
    flow = renderer.flow(shown, neutral, SIZE)
    mouth = renderer.landmarks(shown, SIZE)[60:68].mean(0).round().astype(int)
    around = flow.visible[mouth[1] - 2 : mouth[1] + 3, mouth[0] - 2 : mouth[0] + 3]
    assert around.mean() < 0.2


@pytest.mark.parametrize("background", ["plain", "transparent"])
def test_pictures_with_their_flows_are_those_made_apart(
    renderer: Renderer, background: str
) -> None:
    shown, neutral = (
        replace(one, background=replace(one.background, kind=background))
        for one in scenes({"AU12": 4.0, "AU43": 2.0}, glasses="thin", hair="long")
    )
    images, flows = renderer.render_with_flows([neutral, shown], [(1, 0)], 64)
    np.testing.assert_array_equal(images[1], renderer.render(shown, 64))
    apart = renderer.flow(shown, neutral, 64)
    alike = np.isclose(flows[0].offset, apart.offset, atol=1e-4).all(-1)
    assert alike.mean() > 0.995
    assert (flows[0].visible == apart.visible).mean() > 0.995


def test_other_scenes_and_sizes_are_refused(renderer: Renderer) -> None:
    shown, neutral = scenes({"AU12": 3.0})
    other = replace(neutral, gaze=(9.0, 0.0))
    for reference, size, field in ((other, SIZE, "reference"), (neutral, 8, "size")):
        with pytest.raises(RequestError) as caught:
            renderer.flow(shown, reference, size)
        assert caught.value.field == field
