from __future__ import annotations

import numpy as np
import pytest

from synfer_core.facekit.raster import (
    TILE,
    draw_layers,
    draw_strands,
    layer_strands,
    rasterise,
    rasterise_depth,
    smooth_normals,
    tile_segments,
    vertex_normals,
)

# A square of two triangles over pixels 2-6, seen from the front (y grows downwards).
SQUARE = np.array([[2, 2, 1], [2, 6, 1], [6, 6, 1], [6, 2, 1]], np.float32)
CORNERS = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def buffers(size: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.zeros((size, size), np.float32),
        np.full((size, size), -1, np.int32),
        np.zeros((size, size, 2), np.float32),
    )


def test_triangles_cover_each_pixel_centre_once() -> None:
    depth, owner, bary = buffers()
    rasterise(SQUARE, CORNERS, True, depth, owner, bary)
    assert (owner >= 0).sum() == 16
    assert (owner[2:6, 2:6] >= 0).all()
    assert set(owner[2:6, 2:6].ravel()) == {0, 1}


def test_back_faces_are_culled_on_demand() -> None:
    turned = np.ascontiguousarray(CORNERS[:, ::-1])
    for cull, pixels in ((True, 0), (False, 16)):
        depth, owner, bary = buffers()
        rasterise(SQUARE, turned, cull, depth, owner, bary)
        assert (owner >= 0).sum() == pixels


def test_nearer_triangles_win_in_any_order() -> None:
    near = SQUARE * [1, 1, 2]
    points = np.concatenate([SQUARE, near]).astype(np.float32)
    both = np.concatenate([CORNERS, CORNERS + 4])
    for triangles in (both, np.ascontiguousarray(both[::-1])):
        depth, owner, bary = buffers()
        rasterise(points, triangles, True, depth, owner, bary)
        assert depth.max() == 2
        assert (triangles[owner[3, 3]] >= 4).all()


def test_weights_are_perspective_correct() -> None:
    points = np.array([[0, 0, 1], [0, 8, 1], [8, 0, 0.25]], np.float32)
    depth, owner, bary = buffers()
    rasterise(points, np.array([[0, 1, 2]], np.int32), True, depth, owner, bary)
    w = bary[0, 3]
    distance = 1 / depth[0, 3]
    assert (1 - w.sum()) * 1 + w[0] * 1 + w[1] * 4 == pytest.approx(distance, rel=1e-4)


def test_depth_map_keeps_the_highest() -> None:
    depth = np.full((8, 8), -9.0, np.float32)
    seen_from_above = np.ascontiguousarray(CORNERS[:, ::-1])
    rasterise_depth(SQUARE, seen_from_above, depth)
    rasterise_depth((SQUARE * [1, 1, 3]).astype(np.float32), seen_from_above, depth)
    assert (depth == 3).sum() == 16
    assert (depth == -9).sum() == 48


def test_triangles_outside_the_picture_do_no_harm() -> None:
    depth, owner, bary = buffers()
    rasterise(SQUARE - np.float32([4, 4, 0]), CORNERS, True, depth, owner, bary)
    assert (owner >= 0).sum() == 4
    rasterise(SQUARE + np.float32([100, 0, 0]), CORNERS, True, depth, owner, bary)
    assert (owner >= 0).sum() == 4


def strand(y: float, near: float = 1.0) -> np.ndarray:
    return np.array([[[-2, y, near], [4, y, near], [12, y, near]]], np.float32)


def draw(points: np.ndarray, depth: np.ndarray, width: float = 1.0) -> np.ndarray:
    image = np.zeros((8, 8, 3), np.float32)
    widths = np.full(points.shape[:2], width, np.float32)
    clear = np.ones_like(depth)
    draw_strands(points, np.ones_like(points), widths, 1.0, 0.01, depth, image, clear)
    np.testing.assert_allclose(clear, 1 - image[..., 0], atol=1e-6)
    return image[..., 0]


def test_a_strand_covers_its_width() -> None:
    image = draw(strand(4.5), np.zeros((8, 8), np.float32))
    np.testing.assert_allclose(image[4], 1, atol=1e-5)
    assert image.sum() == pytest.approx(8, rel=1e-4)
    halves = draw(strand(5.0), np.zeros((8, 8), np.float32))
    np.testing.assert_allclose(halves[4], 0.5, atol=1e-5)
    np.testing.assert_allclose(halves[5], 0.5, atol=1e-5)


def test_a_strand_hides_behind_what_is_nearer() -> None:
    depth = np.zeros((8, 8), np.float32)
    depth[:, :4] = 2
    image = draw(strand(4.5), depth)
    assert image[4, :4].max() == 0
    assert image[4, 5:].min() > 0.9
    assert depth[4, 6] == 1


def test_normals_are_unit_and_smoothing_evens_them() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    normals = vertex_normals(points, triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(normals[0], [0, 0, 1], atol=1e-6)
    smooth = smooth_normals(normals, triangles, 3)
    assert smooth[0] @ smooth[3] > normals[0] @ normals[3]


# --- hair -----------------------------------------------------------------------------------------


def strands(count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wild strands over and around a square picture: screen points, colours, widths."""
    rng = np.random.default_rng(count)
    start = rng.uniform(-10, size + 10, (count, 1, 2))
    steps = rng.normal(0, 6, (count, 3, 2)).cumsum(1)
    near = 0.02 + 1e-3 * rng.random((count, 1, 1)) + np.zeros((count, 4, 1))
    points = np.concatenate([np.concatenate([start, start + steps], 1), near], 2)
    colours, widths = rng.random((count, 4, 3)), rng.uniform(0.3, 2, (count, 4))
    return points.astype(np.float32), colours.astype(np.float32), widths.astype(np.float32)


def in_order(points: np.ndarray) -> np.ndarray:
    """Numbers of the segments, the nearest strand first."""
    nearest = np.argsort(-points[:, 0, 2], kind="stable")
    return (nearest[:, None] * 3 + np.arange(3)).ravel().astype(np.int32)


def in_tiles(points: np.ndarray, widths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    starts = np.zeros((-(-size // TILE)) ** 2 + 1, np.int32)
    tile_segments(points, widths, in_order(points), size, starts, np.empty(0, np.int32))
    members = np.empty(starts[-1], np.int32)
    tile_segments(points, widths, in_order(points), size, starts, members)
    return starts, members


def drawn_plainly(points: np.ndarray, colours: np.ndarray, widths: np.ndarray, size: int):  # type: ignore[no-untyped-def]
    """Premultiplied colour and cover of the strands, segment by segment over the whole picture."""
    colour, cover = np.zeros((size, size, 3)), np.zeros((size, size))
    for number in in_order(points):
        i, s = divmod(int(number), 3)
        a, b = points[i, s, :2].astype(float), points[i, s + 1, :2].astype(float)
        reach = np.abs(b - a)
        along = 0 if reach[0] > reach[1] else 1
        steps = int(np.ceil(reach.max()))
        for t in (np.arange(steps) + 0.5) / steps:
            at = a + (b - a) * t
            width = (widths[i, s] * (1 - t) + widths[i, s + 1] * t) * np.hypot(*reach) / reach.max()
            low, high = at[1 - along] - width / 2, at[1 - along] + width / 2
            for k in range(int(np.floor(low)), int(np.floor(high)) + 1):
                row, column = (k, int(np.floor(at[0]))) if along == 0 else (int(np.floor(at[1])), k)
                part = min(high, k + 1) - max(low, k)
                if part > 0.02 and 0 <= row < size and 0 <= column < size:
                    share = 0.7 * part * (1 - cover[row, column])
                    colour[row, column] += share * (colours[i, s] * (1 - t) + colours[i, s + 1] * t)
                    cover[row, column] += share
    return colour, cover


def draw_hair(
    hair: tuple[np.ndarray, np.ndarray, np.ndarray],
    depth: np.ndarray,
    image: np.ndarray,
    clear: np.ndarray,
) -> None:
    """Draw strands over an image through their layers."""
    points, colours, widths = hair
    segments = (points, colours, widths, *in_tiles(points, widths, len(depth)))
    opacity, slack = np.float32(0.7), np.float32(1)
    layers = layer_strands(*segments, opacity, slack, np.zeros((2, 2), np.float32), len(depth))
    gain, bounce = np.float32(1), np.zeros(3, np.float32)
    draw_layers(*segments, layers, gain, bounce, opacity, slack, depth, image, clear)


@pytest.mark.parametrize(("count", "within"), [(12, 1e-3), (400, 0.05)])
def test_hair_in_tiles_looks_as_without_them(count: int, within: float) -> None:
    """Where strands cover all, what lies behind them is left out: at most that much is amiss."""
    size = TILE + 11
    points, colours, widths = strands(count, size)
    image = np.full((size, size, 3), 0.25, np.float32)
    clear = np.ones((size, size), np.float32)
    draw_hair((points, colours, widths), np.zeros_like(clear), image, clear)
    colour, cover = drawn_plainly(points, colours, widths, size)
    wanted = colour + 0.25 * (1 - cover[..., None])
    assert np.abs(image - wanted).max() < within
    assert np.abs(clear - (1 - cover)).max() < within
    assert cover.mean() > 0.02
    assert np.abs(image - 0.25).max() > 0.2


def test_hair_lies_only_over_what_is_behind_it() -> None:
    size = TILE + 11
    image = np.zeros((size, size, 3), np.float32)
    depth = np.zeros((size, size), np.float32)
    depth[:, 1::2] = 1  # nearer than any strand
    draw_hair(strands(400, size), depth, image, np.empty((0, 0), np.float32))
    assert not image[:, 1::2].any()
    assert image[:, ::2].mean() > 0.2


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_what_lies_among_hair_hides_what_is_behind_it(share: float) -> None:
    size = TILE + 11
    points, colours, widths = strands(60, size)
    nearness = float(np.quantile(points[:, 0, 2], share))
    image = np.zeros((size, size, 3), np.float32)
    depth = np.full((size, size), nearness, np.float32)
    draw_hair((points, colours, widths), depth, image, np.empty((0, 0), np.float32))
    front = points[:, 0, 2] >= nearness
    wanted, _ = drawn_plainly(points[front], colours[front], widths[front], size)
    assert np.abs(image - wanted).max() < 0.02
    assert image.max() > 0.2


def test_tiles_list_every_segment_that_touches_them() -> None:
    size = 2 * TILE + 5
    points, _, widths = strands(50, size)
    starts, members = in_tiles(points, widths, size)
    for number in in_order(points):
        i, s = divmod(int(number), 3)
        for t in np.linspace(0, 1, 30):
            x, y = points[i, s, :2] * (1 - t) + points[i, s + 1, :2] * t
            if 0 <= x < size and 0 <= y < size:
                tile = int(y) // TILE * 3 + int(x) // TILE
                assert number in members[starts[tile] : starts[tile + 1]]
