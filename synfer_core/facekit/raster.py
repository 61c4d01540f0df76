"""Rasteriser kernels: triangles and strands into depth-tested images.

Screen points are (x, y, nearness): pixels, pixels, and 1 / distance for cameras or height along the
light for shadow maps; larger is nearer. Pixel centres lie at .5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import inlined, jit

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_LONGEST_SEGMENT = 400.0  # a strand that crosses the camera would fill the image
_LEAST_COVER = np.float32(0.02)  # of a pixel, below which a strand leaves it alone
TILE = 32
"""Pixels on a side of the tiles that strands are drawn in: they fit the processor's cache."""
_CHECK_EVERY = 16  # segments drawn between two looks at whether a tile is full
_AHEAD = np.float32(1.01)  # segments are sorted by their middle: an end may lie so much nearer
_FULL = np.float32(0.97)  # cover from which what lies behind strands no longer counts


@inlined
def _first_centre(x: float) -> int:
    """The first pixel whose centre lies at `x` or beyond."""
    return int(np.ceil(x - np.float32(0.5)))


@inlined
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
                if w1 >= 0.0 and w2 >= 0.0 and w1 + w2 <= 1.0:
                    z = (1.0 - w1 - w2) * za + w1 * zb + w2 * zc
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
                if w1 >= 0.0 and w2 >= 0.0 and w1 + w2 <= 1.0:
                    depth[y, x] = max(depth[y, x], za + w1 * zb + w2 * zc)
                w1 += y2 * scale
                w2 -= y1 * scale


@inlined
def _draw_span(
    image: Floats, depth: Floats, x: int, y: int, cover: float, nearness: float, bias: float,
    red: float, green: float, blue: float, clear: Floats,
) -> None:  # fmt: skip
    """Blend one pixel of a strand, unless something nearer covers it."""
    if x < 0 or y < 0 or x >= depth.shape[1] or y >= depth.shape[0]:
        return
    if nearness * (1.0 + bias) < depth[y, x]:
        return
    image[y, x, 0] += (red - image[y, x, 0]) * cover
    image[y, x, 1] += (green - image[y, x, 1]) * cover
    image[y, x, 2] += (blue - image[y, x, 2]) * cover
    if clear.size > 0:
        clear[y, x] *= 1.0 - cover
    if cover > 0.5:
        depth[y, x] = max(depth[y, x], nearness)


@inlined
def _is_hidden(points: Floats, i: int, s: int, depth: Floats, bias: float) -> bool:
    """Whether a strand point lies in the picture and behind what is drawn there."""
    x, y = int(points[i, s, 0]), int(points[i, s, 1])
    if x < 0 or y < 0 or x >= depth.shape[1] or y >= depth.shape[0]:
        return False
    return bool(points[i, s, 2] * (1.0 + bias) < depth[y, x])


@jit
def draw_strands(
    points: Floats, colours: Floats, widths: Floats, opacity: Any, bias: Any,
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
                t = (np.float32(j) + 0.5) / np.float32(steps)
                u = 1.0 - t
                x, y = x0 + dx * t, y0 + dy * t
                near = points[i, s, 2] * u + points[i, s + 1, 2] * t
                w = (widths[i, s] * u + widths[i, s + 1] * t) * slope
                red = colours[i, s, 0] * u + colours[i, s + 1, 0] * t
                green = colours[i, s, 1] * u + colours[i, s + 1, 1] * t
                blue = colours[i, s, 2] * u + colours[i, s + 1, 2] * t
                low = (y if flat else x) - w * 0.5
                high = low + w
                for k in range(int(np.floor(low)), int(np.floor(high)) + 1):
                    cover = min(high, np.float32(k + 1)) - max(low, np.float32(k))
                    if cover > 0.02:
                        px, py = (int(np.floor(x)), k) if flat else (k, int(np.floor(y)))
                        cover *= opacity
                        _draw_span(image, depth, px, py, cover, near, bias, red, green, blue, clear)


@jit
def tile_segments(
    points: Floats, widths: Floats, order: Ints, size: int, starts: Ints, members: Ints
) -> None:
    """List the segments that may touch each tile of a square picture, in the order given.

    Call it twice: with no room for members it counts, and `starts` becomes the first place of each
    tile (row by row, and the end); with room it fills `members`.
    """
    tiles, segments = (size + TILE - 1) // TILE, points.shape[1] - 1
    count = np.zeros(tiles * tiles, np.int32)
    for n in range(order.shape[0]):
        i, s = order[n] // segments, order[n] % segments
        x0, y0, x1, y1 = points[i, s, 0], points[i, s, 1], points[i, s + 1, 0], points[i, s + 1, 1]
        if max(abs(x1 - x0), abs(y1 - y0)) > _LONGEST_SEGMENT:
            continue
        margin = max(widths[i, s], widths[i, s + 1]) + 1.0
        left, right = int(min(x0, x1) - margin), int(max(x0, x1) + margin)
        top, bottom = int(min(y0, y1) - margin), int(max(y0, y1) + margin)
        if right < 0 or bottom < 0 or left >= size or top >= size:
            continue
        for row in range(max(top, 0) // TILE, min(bottom, size - 1) // TILE + 1):
            for column in range(max(left, 0) // TILE, min(right, size - 1) // TILE + 1):
                tile = row * tiles + column
                if members.shape[0]:
                    members[starts[tile] + count[tile]] = order[n]
                count[tile] += 1
    if members.shape[0] == 0:
        for tile in range(tiles * tiles):
            starts[tile + 1] = starts[tile] + count[tile]


@jit
def layer_strands(
    points: Floats, colours: Floats, widths: Floats, starts: Ints, members: Ints, opacity: Any,
    slack: Any, hiding: Floats, size: int,
) -> Any:  # fmt: skip
    """Draw strands alone, tile by tile, each from its nearest segment to where nothing shows
    through any more (Porter and Duff 1984, "over" from the front).

    Args:
        points: Screen points (strands, points, 3).
        colours: Linear RGB (strands, points, 3).
        widths: Pixels (strands, points).
        starts, members: Segments of each tile, the nearest first, see `tile_segments`.
        opacity: 0-1.
        slack: Factor on the nearness of strands.
        hiding: Nearness behind which strands never show: a coarse map of the picture (k, k).
        size: Pixels on a side of the picture.

    Returns:
        For each tile that has segments, in order, RGB times cover, cover, and nearness of the
        nearest and the farthest strand that shows (tiles, TILE, TILE, 6).
    """
    tiles, used = (size + TILE - 1) // TILE, 0
    for tile in range(starts.shape[0] - 1):
        used += starts[tile] < starts[tile + 1]
    layers = np.zeros((used, TILE, TILE, 6), np.float32)
    limit, used = np.empty((TILE, TILE), np.float32), 0
    for tile in range(starts.shape[0] - 1):
        if starts[tile] < starts[tile + 1]:
            top, left = tile // tiles * TILE, tile % tiles * TILE
            box = (0, 0, min(TILE, size - top), min(TILE, size - left))
            for y in range(box[2]):
                for x in range(box[3]):
                    row, column = (top + y) * len(hiding) // size, (left + x) * len(hiding) // size
                    limit[y, x] = hiding[row, column]
            layers[used, :, :, 5] = np.inf
            _draw_tile(
                points, colours, widths, members[starts[tile] : starts[tile + 1]], opacity, slack,
                limit, layers[used], top, left, box,
            )  # fmt: skip
            used += 1
    return layers


@jit
def draw_layers(
    points: Floats, colours: Floats, widths: Floats, starts: Ints, members: Ints, layers: Floats,
    gain: Any, bounce: Floats, opacity: Any, slack: Any, depth: Floats, image: Floats,
    clear: Floats,
) -> None:  # fmt: skip
    """Draw layered strands over a square `image`.

    Where what is in the picture lies before or behind all strands of a pixel, its layer tells how
    it looks; elsewhere they are drawn anew.

    Args:
        points, colours, widths, starts, members, opacity, slack: As of `layer_strands`, whose
            result is `layers`.
        gain, bounce: Colours are drawn times `gain` and plus `bounce` (3,).
        depth: Nearness (H, W) of what hides strands.
        image: Linear RGB (H, W, 3), drawn into.
        clear: How much of the background shows, 0-1 (H, W), drawn into; (0, 0) where nobody asks.
    """
    size, used = depth.shape[0], 0
    tiles = (size + TILE - 1) // TILE
    anew, limit = np.zeros((TILE, TILE, 6), np.float32), np.zeros((TILE, TILE), np.float32)
    for tile in range(starts.shape[0] - 1):
        if starts[tile] == starts[tile + 1]:
            continue
        top, left = tile // tiles * TILE, tile % tiles * TILE
        near = depth[top : min(top + TILE, size), left : min(left + TILE, size)]
        box = _halfway_in(layers[used], near, limit)
        if box[0] < box[2]:
            anew[:] = 0.0
            _draw_tile(
                points, colours, widths, members[starts[tile] : starts[tile + 1]], opacity, slack,
                limit, anew, top, left, box,
            )  # fmt: skip
        _put_layer(layers[used], anew, near, gain, bounce, image, clear, top, left)
        used += 1


@jit
def _halfway_in(layer: Any, near: Any, limit: Any) -> Any:
    """The box of a tile's pixels that show something between their strands; `limit` becomes the
    nearness of what hides strands there, and infinite elsewhere."""
    top, left, bottom, right = TILE, TILE, 0, 0
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            limit[y, x] = np.inf
            if layer[y, x, 5] < near[y, x] <= layer[y, x, 4]:
                limit[y, x] = near[y, x]
                top, bottom = min(top, y), y + 1
                left, right = min(left, x), max(right, x + 1)
    return top, left, bottom, right


@jit
def _draw_tile(
    points: Any, colours: Any, widths: Any, members: Any, opacity: Any, slack: Any, limit: Any,
    layer: Any, top: Any, left: Any, box: Any,
) -> None:  # fmt: skip
    """Draw segments into a tile's box until nothing shows through."""
    segments = points.shape[1] - 1
    for n in range(members.shape[0]):
        i, s = members[n] // segments, members[n] % segments
        if n % _CHECK_EVERY == _CHECK_EVERY - 1:
            near = max(points[i, s, 2], points[i, s + 1, 2]) * _AHEAD
            box = _open_box(limit, box, near)
            if box[0] >= box[2]:
                break
        _draw_segment(points, colours, widths, i, s, opacity, slack, limit, layer, top, left, box)


@jit
def _open_box(limit: Any, box: Any, near: Any) -> Any:
    """The part of a tile's box (top, left, bottom, right) where a strand so near or farther could
    still be seen; empty where nowhere."""
    top, left, bottom, right = box[2], box[3], box[0], box[1]
    for y in range(box[0], box[2]):
        for x in range(box[1], box[3]):
            if limit[y, x] <= near:
                top, bottom = min(top, y), y + 1
                left, right = min(left, x), max(right, x + 1)
    return top, left, bottom, right


@jit
def _put_layer(
    layer: Any, anew: Any, near: Any, gain: Any, bounce: Any, image: Any, clear: Any, top: Any,
    left: Any,
) -> None:  # fmt: skip
    """Lay a tile's strands over the picture, from `anew` where something is between them."""
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            if near[y, x] > layer[y, x, 4]:
                continue
            shown = layer[y, x] if near[y, x] <= layer[y, x, 5] else anew[y, x]
            cover = shown[3]
            if cover > 0.0:
                # What was left out behind full cover is taken to look like the rest.
                part = 1.0 if cover < _FULL else 1.0 / cover
                cover *= part
                for k in range(3):
                    over = shown[k] * part * gain + cover * bounce[k]
                    image[top + y, left + x, k] *= 1.0 - cover
                    image[top + y, left + x, k] += over
                if clear.size > 0:
                    clear[top + y, left + x] *= 1.0 - cover


@inlined
def _draw_segment(
    points: Any, colours: Any, widths: Any, i: Any, s: Any, opacity: Any, slack: Any, limit: Any,
    layer: Any, top: Any, left: Any, box: Any,
) -> None:  # fmt: skip
    """Put what of a segment lies in a tile's box behind what is in the tile.

    `layer` is as of `layer_strands`, `limit` the nearness behind which nothing is seen there.
    """
    half = np.float32(0.5)
    x0, y0 = points[i, s, 0] - np.float32(left), points[i, s, 1] - np.float32(top)
    z0 = points[i, s, 2]
    dx, dy = points[i, s + 1, 0] - points[i, s, 0], points[i, s + 1, 1] - points[i, s, 1]
    dz = points[i, s + 1, 2] - z0
    length = max(abs(dx), abs(dy))
    if length < 1e-3:
        return
    flat = abs(dx) > abs(dy)
    slope = np.sqrt(dx * dx + dy * dy) / length
    steps = int(np.ceil(length))
    part = np.float32(1) / np.float32(steps)
    first, last = (box[1], box[3]) if flat else (box[0], box[2])
    least, most = (box[0], box[2]) if flat else (box[1], box[3])
    reach = max(widths[i, s], widths[i, s + 1]) * slope * half + 1.0
    start, end = _steps_between(x0 if flat else y0, dx if flat else dy, steps, first, last)
    low, high = _steps_between(
        y0 if flat else x0, dy if flat else dx, steps, least - reach, most + reach
    )
    start, end = max(start, low), min(end, high)
    for j in range(start, end):
        t = (np.float32(j) + half) * part
        x, y, near = x0 + dx * t, y0 + dy * t, (z0 + dz * t) * slack
        along = int(np.floor(x if flat else y))
        if along < first or along >= last:
            continue
        w = (widths[i, s] + (widths[i, s + 1] - widths[i, s]) * t) * slope
        low = (y if flat else x) - w * half
        high = low + w
        for k in range(max(int(np.floor(low)), least), min(int(np.floor(high)) + 1, most)):
            row, column = (k, along) if flat else (along, k)
            if near < limit[row, column]:
                continue
            cover = min(high, np.float32(k + 1)) - max(low, np.float32(k))
            if cover <= _LEAST_COVER:
                continue
            cover *= opacity * (1.0 - layer[row, column, 3])
            for c in range(3):
                colour = colours[i, s, c] * (1.0 - t) + colours[i, s + 1, c] * t
                layer[row, column, c] += colour * cover
            layer[row, column, 3] += cover
            layer[row, column, 4] = max(layer[row, column, 4], near)
            layer[row, column, 5] = min(layer[row, column, 5], near)
            if layer[row, column, 3] > _FULL:
                limit[row, column] = np.float32(np.inf)


@inlined
def _steps_between(start: Any, reach: Any, steps: Any, first: Any, last: Any) -> Any:
    """Which of a segment's steps along an axis may lie between two places on it."""
    low, high = np.float32(first) - start, np.float32(last) - start
    if abs(reach) < np.float32(1e-3):
        return 0, steps if low <= 1.0 and high >= -1.0 else 0
    scale = np.float32(steps) / reach
    low, high = low * scale, high * scale
    count = np.float32(steps)
    first_step = min(max(min(low, high) - 1.0, 0.0), count)
    return int(first_step), int(min(max(max(low, high) + 2.0, 0.0), count))


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
