from __future__ import annotations

import numpy as np
import pytest

from synfer_core.facekit.raster import (
    draw_strands,
    rasterise,
    rasterise_depth,
    smooth_normals,
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
