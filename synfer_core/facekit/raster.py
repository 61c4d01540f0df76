"""Rasteriser kernels: triangles and strands into depth-tested images.

Screen points are (x, y, nearness): pixels, pixels, and 1 / distance for cameras or height along the
light for shadow maps; larger is nearer. Pixel centres lie at .5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import jit

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_LONGEST_SEGMENT = 400.0  # a strand that crosses the camera would fill the image
_LEAST_COVER = np.float32(0.02)  # of a pixel, below which a strand leaves it alone
_LEAST_THROUGH = np.float32(0.004)  # share of light through strands that still counts


@jit
def _first_centre(x: float) -> int:
    """The first pixel whose centre lies at `x` or beyond."""
    return int(np.ceil(x - np.float32(0.5)))


@jit
def _box(points: Floats, a: int, b: int, c: int, width: int, height: int) -> tuple[int, ...]:
    """Pixels whose centres a triangle can cover: left, right, top, bottom (right, bottom open)."""
    x0, x1, x2 = points[a, 0], points[b, 0], points[c, 0]
    y0, y1, y2 = points[a, 1], points[b, 1], points[c, 1]
    return (
        max(0, _first_centre(min(x0, x1, x2))),
        min(width, _first_centre(max(x0, x1, x2))),
        max(0, _first_centre(min(y0, y1, y2))),
        min(height, _first_centre(max(y0, y1, y2))),
    )


@jit
def rasterise(
    points: Floats, triangles: Ints, cull: bool, depth: Floats, owner: Ints, bary: Floats
) -> None:
    """Draw triangles into `depth` (H, W), `owner` (triangle number) and `bary` (H, W, 2).

    `bary` holds perspective-correct weights of the second and third corner.
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = points[a, 0], points[a, 1]
        x1, y1 = points[b, 0] - x0, points[b, 1] - y0
        x2, y2 = points[c, 0] - x0, points[c, 1] - y0
        area = x1 * y2 - x2 * y1
        if area == 0 or (cull and area > 0):
            continue
        left, right, top, bottom = _box(points, a, b, c, width, height)
        if left >= right or top >= bottom:
            continue
        scale = np.float32(1.0) / area
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        dx = np.float32(left + 0.5) - x0
        for y in range(top, bottom):
            dy = np.float32(y + 0.5) - y0
            w1 = (dx * y2 - x2 * dy) * scale
            w2 = (x1 * dy - dx * y1) * scale
            for x in range(left, right):
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1:
                    z = (1 - w1 - w2) * za + w1 * zb + w2 * zc
                    if z > depth[y, x]:
                        depth[y, x] = z
                        owner[y, x] = t
                        bary[y, x, 0] = w1 * zb / z
                        bary[y, x, 1] = w2 * zc / z
                w1 += y2 * scale
                w2 -= y1 * scale


@jit
def rasterise_depth(points: Floats, triangles: Ints, depth: Floats) -> None:
    """Draw the front faces (as seen from above the map) into a square depth map alone."""
    size = depth.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = points[a, 0], points[a, 1]
        x1, y1 = points[b, 0] - x0, points[b, 1] - y0
        x2, y2 = points[c, 0] - x0, points[c, 1] - y0
        area = x1 * y2 - x2 * y1
        if area <= 0:
            continue
        left, right, top, bottom = _box(points, a, b, c, size, size)
        if left >= right or top >= bottom:
            continue
        scale = np.float32(1.0) / area
        za = points[a, 2]
        zb, zc = points[b, 2] - za, points[c, 2] - za
        dx = np.float32(left + 0.5) - x0
        for y in range(top, bottom):
            dy = np.float32(y + 0.5) - y0
            w1 = (dx * y2 - x2 * dy) * scale
            w2 = (x1 * dy - dx * y1) * scale
            for x in range(left, right):
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1:
                    depth[y, x] = max(depth[y, x], za + w1 * zb + w2 * zc)
                w1 += y2 * scale
                w2 -= y1 * scale


@jit
def _draw_span(
    image: Floats, depth: Floats, x: int, y: int, cover: float, nearness: float, bias: float,
    red: float, green: float, blue: float, clear: Floats,
) -> None:  # fmt: skip
    """Blend one pixel of a strand, unless something nearer covers it."""
    if x < 0 or y < 0 or x >= depth.shape[1] or y >= depth.shape[0]:
        return
    if nearness * (1 + bias) < depth[y, x]:
        return
    image[y, x, 0] += (red - image[y, x, 0]) * cover
    image[y, x, 1] += (green - image[y, x, 1]) * cover
    image[y, x, 2] += (blue - image[y, x, 2]) * cover
    if clear.size > 0:
        clear[y, x] *= 1 - cover
    if cover > 0.5:
        depth[y, x] = max(depth[y, x], nearness)


@jit
def _is_hidden(points: Floats, i: int, s: int, depth: Floats, bias: float) -> bool:
    """Whether a strand point lies in the picture and behind what is drawn there."""
    x, y = int(points[i, s, 0]), int(points[i, s, 1])
    if x < 0 or y < 0 or x >= depth.shape[1] or y >= depth.shape[0]:
        return False
    return bool(points[i, s, 2] * (1 + bias) < depth[y, x])


@jit
def draw_strands(
    points: Floats, colours: Floats, widths: Floats, opacity: float, bias: float,
    depth: Floats, image: Floats, clear: Floats,
) -> None:  # fmt: skip
    """Draw anti-aliased strands over `image`, far ones first where the caller sorted them.

    Args:
        points: Screen points (strands, points, 3).
        colours: Linear RGB (strands, points, 3).
        widths: Pixels (strands, points).
        opacity: 0-1.
        bias: Share of nearness by which a strand may lie behind the depth buffer.
        depth: Nearness (H, W), updated where strands are opaque.
        image: Linear RGB (H, W, 3), drawn into.
        clear: How much of the background shows, 0-1 (H, W), drawn into; (0, 0) where nobody asks.
    """
    height, width = depth.shape
    for i in range(points.shape[0]):
        for s in range(points.shape[1] - 1):
            x0, y0 = points[i, s, 0], points[i, s, 1]
            dx, dy = points[i, s + 1, 0] - x0, points[i, s + 1, 1] - y0
            length = max(abs(dx), abs(dy))
            if length < 1e-3 or length > _LONGEST_SEGMENT:
                continue
            if max(x0, x0 + dx) < -2 or max(y0, y0 + dy) < -2:
                continue
            if min(x0, x0 + dx) > width + 2 or min(y0, y0 + dy) > height + 2:
                continue
            if _is_hidden(points, i, s, depth, bias) and _is_hidden(points, i, s + 1, depth, bias):
                continue
            flat = abs(dx) > abs(dy)
            slope = np.sqrt(dx * dx + dy * dy) / length
            steps = int(np.ceil(length))
            for j in range(steps):
                t = np.float32((j + 0.5) / steps)
                u = 1 - t
                x, y = x0 + dx * t, y0 + dy * t
                near = points[i, s, 2] * u + points[i, s + 1, 2] * t
                w = (widths[i, s] * u + widths[i, s + 1] * t) * slope
                red = colours[i, s, 0] * u + colours[i, s + 1, 0] * t
                green = colours[i, s, 1] * u + colours[i, s + 1, 1] * t
                blue = colours[i, s, 2] * u + colours[i, s + 1, 2] * t
                low = (y if flat else x) - w / 2
                high = low + w
                for k in range(int(np.floor(low)), int(np.floor(high)) + 1):
                    cover = min(high, np.float32(k + 1)) - max(low, np.float32(k))
                    if cover > 0.02:
                        px, py = (int(np.floor(x)), k) if flat else (k, int(np.floor(y)))
                        cover *= opacity
                        _draw_span(image, depth, px, py, cover, near, bias, red, green, blue, clear)


@jit
def draw_layers(
    points: Floats, colours: Floats, widths: Floats, order: Ints, gain: Any, bounce: Floats,
    opacity: Any, bias: Any, depth: Floats, image: Floats, clear: Floats,
) -> None:  # fmt: skip
    """Draw strands over `image` segment by segment, near ones first: far ones stop where what lies
    before them lets no light through (Porter and Duff 1984, "over" from the front).

    Args:
        points: Screen points (strands, points, 3).
        colours: Linear RGB (strands, points, 3), times `gain` and plus `bounce` (3,) as drawn.
        widths: Pixels at each point of a strand (points,).
        order: Segments, the nearest first, numbered strand by strand.
        opacity: 0-1.
        bias: Share of nearness by which a strand may lie behind the depth buffer.
        depth: Nearness (H, W) of what hides strands.
        image: Linear RGB (H, W, 3), drawn into.
        clear: How much of the background shows, 0-1 (H, W), drawn into; (0, 0) where nobody asks.
    """
    layer = np.zeros((depth.shape[0], depth.shape[1], 4), np.float32)
    segments = points.shape[1] - 1
    for n in range(order.shape[0]):
        i, s = order[n] // segments, order[n] % segments
        _draw_segment(points, colours, widths, i, s, opacity, 1 + bias, depth, layer)
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            cover = layer[y, x, 3]
            if cover > 0:
                for k in range(3):
                    over = layer[y, x, k] * gain + cover * bounce[k]
                    image[y, x, k] = image[y, x, k] * (1 - cover) + over
                if clear.size > 0:
                    clear[y, x] *= 1 - cover


@jit
def _draw_segment(
    points: Any, colours: Any, widths: Any, i: Any, s: Any, opacity: Any, slack: Any, depth: Any,
    layer: Any,
) -> None:  # fmt: skip
    """Put one segment behind what is in `layer`: RGB times cover, and cover (H, W, 4)."""
    half = np.float32(0.5)
    height, width = depth.shape
    x0, y0, z0 = points[i, s, 0], points[i, s, 1], points[i, s, 2]
    dx, dy = points[i, s + 1, 0] - x0, points[i, s + 1, 1] - y0
    dz = points[i, s + 1, 2] - z0
    length = max(abs(dx), abs(dy))
    if length < 1e-3 or length > _LONGEST_SEGMENT:
        return
    if max(x0, x0 + dx) < -2 or max(y0, y0 + dy) < -2:
        return
    if min(x0, x0 + dx) > width + 2 or min(y0, y0 + dy) > height + 2:
        return
    if _lies_behind(x0, y0, z0 * slack, depth) and _lies_behind(
        x0 + dx, y0 + dy, (z0 + dz) * slack, depth
    ):
        return
    flat = abs(dx) > abs(dy)
    slope = np.sqrt(dx * dx + dy * dy) / length
    steps = int(np.ceil(length))
    part = np.float32(1) / np.float32(steps)
    for j in range(steps):
        t = (np.float32(j) + half) * part
        x, y, near = x0 + dx * t, y0 + dy * t, (z0 + dz * t) * slack
        w = (widths[s] + (widths[s + 1] - widths[s]) * t) * slope
        low = (y if flat else x) - w * half
        high = low + w
        along = int(np.floor(x if flat else y))
        if along < 0 or along >= (width if flat else height):
            continue
        first, last = max(int(np.floor(low)), 0), int(np.floor(high))
        last = min(last, (height if flat else width) - 1)
        for k in range(first, last + 1):
            row, column = (k, along) if flat else (along, k)
            cover = min(high, np.float32(k + 1)) - max(low, np.float32(k))
            left = 1 - layer[row, column, 3]
            if left < _LEAST_THROUGH or cover <= _LEAST_COVER or near < depth[row, column]:
                continue
            cover *= opacity * left
            for c in range(3):
                colour = colours[i, s, c] * (1 - t) + colours[i, s + 1, c] * t
                layer[row, column, c] += colour * cover
            layer[row, column, 3] += cover


@jit
def _lies_behind(x: Any, y: Any, near: Any, depth: Any) -> bool:
    """Whether a point lies in the picture and behind what is drawn there."""
    column, row = int(x), int(y)
    if column < 0 or row < 0 or column >= depth.shape[1] or row >= depth.shape[0]:
        return False
    return bool(near < depth[row, column])


@jit
def vertex_normals(points: Floats, triangles: Ints) -> Floats:
    """Unit normals (n, 3), weighted by the area of the triangles around each vertex."""
    normals = np.zeros(points.shape, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            points[b, 0] - points[a, 0],
            points[b, 1] - points[a, 1],
            points[b, 2] - points[a, 2],
        )
        vx, vy, vz = (
            points[c, 0] - points[a, 0],
            points[c, 1] - points[a, 1],
            points[c, 2] - points[a, 2],
        )
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            v = triangles[t, corner]
            normals[v, 0] += x
            normals[v, 1] += y
            normals[v, 2] += z
    _normalise(normals)
    return normals


@jit
def smooth_normals(normals: Floats, triangles: Ints, rounds: int) -> Floats:
    """Normals averaged with their neighbours, `rounds` times: how red light sees the skin."""
    smooth = normals.copy()
    for _ in range(rounds):
        total = smooth.copy()
        for t in range(triangles.shape[0]):
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            for k in range(3):
                half = (smooth[a, k] + smooth[b, k] + smooth[c, k]) * np.float32(0.5)
                total[a, k] += half
                total[b, k] += half
                total[c, k] += half
        _normalise(total)
        smooth = total
    return smooth


@jit
def _normalise(vectors: Floats) -> None:
    for i in range(vectors.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        scale = np.float32(1.0) / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-9))
        vectors[i, 0] *= scale
        vectors[i, 1] *= scale
        vectors[i, 2] *= scale
