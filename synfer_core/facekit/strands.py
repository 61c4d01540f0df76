"""Strands over the picture: lashes, brows, beard, glasses and hair, in that order."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.camera import View
from synfer_core.facekit.derive import Array
from synfer_core.facekit.facial_hair import Beard, Brows
from synfer_core.facekit.hair import Groom
from synfer_core.facekit.head import HeadModel
from synfer_core.facekit.identity import Identity
from synfer_core.facekit.jit import jit
from synfer_core.facekit.lighting import HairPoints, lit_columns
from synfer_core.facekit.raster import (
    TILE,
    draw_layers,
    draw_strands,
    layer_strands,
    rasterise_depth,
    tile_segments,
)
from synfer_core.facekit.scene import Scene

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Canvas:
    """What strands are drawn into.

    Attributes:
        image: Linear RGB (H, W, 3).
        depth: Nearness (H, W).
        ambient: Light on the face, linear RGB (3,), for strands without shadows of their own.
        clear: How much of the background still shows, 0-1 (H, W); None where nobody asks.
    """

    image: Floats
    depth: Floats
    view: View
    ambient: Floats
    clear: Floats | None = None

    def draw(
        self, screen: Floats, colours: Array, widths: Array | float, opacity: float, bias: float
    ) -> None:
        """Draw strands given in screen points; colours and widths broadcast to all points."""
        shape = screen.shape[:2]
        colours = np.ascontiguousarray(np.broadcast_to(colours, (*shape, 3)), np.float32)
        widths = np.ascontiguousarray(np.broadcast_to(widths, shape), np.float32)
        screen = np.ascontiguousarray(screen)
        draw_strands(
            screen,
            colours,
            widths,
            np.float32(opacity),
            np.float32(bias),
            self.depth,
            self.image,
            self.clear_or_none,
        )

    @property
    def clear_or_none(self) -> Floats:
        """`clear` as kernels take it: (0, 0) where nobody asks."""
        return np.empty((0, 0), np.float32) if self.clear is None else self.clear


def draw_lashes(canvas: Canvas, scene: Scene, lashes: Floats, lower: NDArray[np.bool_]) -> None:
    """Lashes as posed points (n, 4, 3)."""
    person = scene.identity
    dark = np.array([0.012, 0.009, 0.008])
    colour = dark * (2.5 if np.mean(person.hair.rgb) >= 0.2 else 1.0)
    full = 1.0 if person.sex == "woman" else 0.8
    length = np.where(lower, 0.5, full)[:, None, None]
    shown = lashes[:, :1] + (lashes - lashes[:, :1]) * length.astype(np.float32)
    # Lower lashes are so fine that skin shows through them.
    faint = np.array(person.skin.linear) * canvas.ambient * 0.45
    colours = np.where(lower[:, None, None], 0.5 * faint + 0.5 * colour, colour)
    width = canvas.view.scale * 0.042 * full
    widths = width * np.array([1, 0.8, 0.55, 0.25]) * np.where(lower[:, None], 0.4, 1.0)
    canvas.draw(canvas.view.project(shown), colours, widths, 0.7, 0.004)


def draw_brows(canvas: Canvas, scene: Scene, brows: Brows, posed: Floats) -> None:
    """Brows planted on the posed mesh."""
    colours = brows.tone[:, None, None] * (brow_colour(scene.identity) * canvas.ambient * 0.9)
    along = np.array([0.7, 1, 0.8, 0.3])
    widths = canvas.view.scale * brows.width * along * brows.body[:, None]
    canvas.draw(canvas.view.project(posed), colours, widths, 0.5, 0.003)


def brow_colour(person: Identity) -> Array:
    """Brows are of the hair's hue, darker than fair hair, and grey later than the head does."""
    hair, skin = np.array(person.hair.rgb), person.skin.linear
    if person.hair.colour in ("grey", "white"):
        return np.asarray(0.45 * hair * [1, 0.94, 0.86] + 0.02)
    fair = np.clip((hair.mean() - 0.05) / 0.25, 0, 1)
    colour = hair * (0.9 - 0.35 * fair) + 0.002
    # On skin of their own brightness brows could not be seen.
    most = 0.42 * skin.mean()
    return np.asarray(colour * min(1.0, most / colour.mean()))


def draw_beard(
    canvas: Canvas, scene: Scene, beard: Beard, posed: Floats, irradiance: Floats
) -> None:
    """A beard as posed points (n, 4, 3), lit like the skin under each root."""
    screen = canvas.view.project(posed)
    size = len(canvas.image)
    column, row = (np.clip(screen[:, 0, k].astype(int), 0, size - 1) for k in (0, 1))
    light = irradiance[row, column]
    # Light spreads among the hairs, so that the jaw's edge is no black line.
    light = np.where(light.any(1, keepdims=True), 0.6 * light, 0.6 * canvas.ambient)
    light = light + 0.4 * canvas.ambient
    colour = beard.tone[:, None] * np.array(scene.identity.hair.rgb) * 1.05 * light
    colours = colour[:, None] * np.array([0.65, 0.85, 1.0, 1.1])[:, None]
    widths = canvas.view.scale * beard.width * np.array([0.9, 1, 0.8, 0.3])
    canvas.draw(screen, colours, widths, 0.55, 0.0008)


# --- hair -----------------------------------------------------------------------------------------

_HAIR_WIDTH = MappingProxyType({"buzz": 0.06, "afro": 0.085, "curly_short": 0.1, "curly_long": 0.1})
_CURLY = ("afro", "curly_short", "curly_long")
_HIDING_MAP = 64  # cells on a side
_HIDING_DEPTH = 1.5  # cm that hair lies behind the neutral head before it counts as hidden
_DEPTH_STEPS = 65535
_SLACK = np.float32(1.0006)  # factor on the nearness of hair, which lies on skin


@dataclass(frozen=True, eq=False)
class PosedHair:
    """A groom turned with the head.

    Attributes:
        points: Posed (n, m, 3).
        normals: Not yet turned (n, m, 3).
        turn: Rotation of the head.
        screen: Screen points (n, m, 3).
        shown: Strands that can be seen.
        tone, body: Brightness and thickness of each strand.
        share: See `hair.Groom`.
    """

    points: Floats
    normals: Floats
    turn: Floats
    screen: Floats
    shown: NDArray[np.bool_]
    tone: Floats
    body: Floats
    share: float

    @classmethod
    def of(cls, groom: Groom, view: View, head: Floats) -> PosedHair:
        """Pose a groom; strands wholly behind the head or out of the picture are not shown.

        Args:
            head: Nearness of the head that hides hair, see `hiding_head`.
        """
        points = view.pose(groom.points)
        screen = view.project(points)
        shown = np.zeros(len(screen), bool)
        _find_seen(screen, head, np.float32(len(head) / view.size), shown)
        look = (groom.tone, groom.body, groom.share)
        return cls(points, groom.normals, view.turn, screen, shown, *look)


def hiding_head(head: HeadModel, neutral: Floats, view: View) -> Floats:
    """Nearness behind which hair is hidden whatever the face does: a coarse map (64, 64).

    Args:
        neutral: Posed vertices of the neutral head (n, 3).
    """
    screen = view.project(neutral[head.caster_vertices])
    screen[:, :2] *= np.float32(_HIDING_MAP / view.size)
    # Seen from in front, y grows downwards: mirrored, front faces turn as the depth map wants.
    screen[:, 1] = _HIDING_MAP - screen[:, 1]
    depth = np.zeros((_HIDING_MAP, _HIDING_MAP), np.float32)
    rasterise_depth(screen, head.casters, depth)
    behind = np.asarray(cv2.erode(np.flipud(depth).copy(), np.ones((5, 5), np.uint8)), np.float32)
    return behind / (1 + np.float32(_HIDING_DEPTH) * behind)


@jit
def _find_seen(screen: Any, head: Any, scale: Any, shown: Any) -> None:
    """Mark strands of which some point lies in the picture and not behind the head."""
    height, width = head.shape
    for i in range(screen.shape[0]):
        for s in range(screen.shape[1]):
            x = int(np.floor(screen[i, s, 0] * scale))
            y = int(np.floor(screen[i, s, 1] * scale))
            if x < -1 or y < -1 or x > width or y > height:
                continue
            behind = head[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
            if screen[i, s, 2] >= behind:
                shown[i] = True
                break


@dataclass(frozen=True, eq=False)
class LitHair:
    """Hair of a scene, lit and sorted: it serves every expression.

    Attributes:
        screen: Screen points of the shown strands (n, m, 3).
        colours: Linear RGB in unexposed light (n, m, 3).
        widths: Pixels at each point of each strand (n, m).
        starts, members: Segments of each tile, the nearest first, see `raster.tile_segments`.
        layers: How they look where nothing is between them, see `raster.layer_strands`.
        opacity: 0-1.
    """

    screen: Floats
    colours: Floats
    widths: Floats
    starts: NDArray[np.int32]
    members: NDArray[np.int32]
    layers: Floats
    opacity: np.float32

    @classmethod
    def of(cls, scene: Scene, hair: PosedHair, light: Floats, view: View, head: Floats) -> LitHair:
        """Colour and sort posed hair.

        Args:
            light: Of the lit columns of the shown strands (n, 6), see `lighting.light_hair`.
            view, head: What the hair was posed for.
        """
        scale = view.scale
        shown = np.flatnonzero(hair.shown)
        screen, tone, body = hair.screen[shown], hair.tone[shown], hair.body[shown, None]
        count, steps = screen.shape[:2]
        columns = lit_columns(steps)
        at_columns = _hair_colour(scene, light.reshape(count, len(columns), 6), tone)
        along = np.linspace(0, 1, steps)
        style = scene.identity.hair.style
        # Roots lie in the shade of the hair around them, but not where it is thin.
        low = 0.45 + 0.45 * (1 - body)
        roots = (
            0.8 + 0.3 * along + 0 * body if style == "buzz" else np.minimum(low + along * 1.6, 1)
        )
        colours = np.empty_like(screen)
        place = np.interp(np.arange(steps), columns, np.arange(len(columns)))
        _spread(at_columns, place.astype(np.float32), roots.astype(np.float32), colours)
        width = scale * _HAIR_WIDTH.get(style, 0.08)
        width /= hair.share
        thinning = width * np.clip(1.15 - 0.75 * along**3, 0.3, 1)
        widths = np.ascontiguousarray(body * thinning, np.float32)
        opacity = np.float32(0.5 if style == "buzz" else 0.72)
        segments = (screen, colours, widths, *_tiled(screen, widths, view.size))
        layers = layer_strands(*segments, opacity, _SLACK, head, view.size)
        return cls(*segments, layers, opacity)


def _near_to_far(screen: Floats) -> NDArray[np.int32]:
    """Numbers of the segments of strands, the nearest first."""
    near = (screen[:, 1:, 2] + screen[:, :-1, 2]).ravel()
    low, high = near.min(initial=np.inf), near.max(initial=0)
    steps = (high - near) * np.float32(_DEPTH_STEPS / max(high - low, 1e-9))
    # Whole numbers of 16 bits are sorted digit by digit, in linear time.
    return np.argsort(steps.astype(np.uint16), kind="stable").astype(np.int32)


def _tiled(
    screen: Floats, widths: Floats, size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where the segments of each tile start in a list, and the list, the nearest first."""
    order, tiles = _near_to_far(screen), -(-size // TILE)
    starts = np.zeros(tiles * tiles + 1, np.int32)
    tile_segments(screen, widths, order, size, starts, np.empty(0, np.int32))
    members = np.empty(starts[-1], np.int32)
    if len(members):
        tile_segments(screen, widths, order, size, starts, members)
    return starts, members


def draw_hair(canvas: Canvas, scene: Scene, hair: LitHair, exposure: float) -> None:
    """Hair over the picture, exposed like the face and lit a little by it."""
    bounce = np.array(scene.identity.hair.rgb) * 0.05 * canvas.ambient
    draw_layers(
        hair.screen, hair.colours, hair.widths, hair.starts, hair.members, hair.layers,
        np.float32(exposure), bounce.astype(np.float32), hair.opacity, _SLACK, canvas.depth,
        canvas.image, canvas.clear_or_none,
    )  # fmt: skip


def _hair_colour(scene: Scene, light: Floats, tone: Floats) -> Floats:
    """Pigment in the diffuse light, a paler highlight."""
    hair = np.array(scene.identity.hair.rgb)
    oily = 0.16 * (0.6 + 0.8 * scene.identity.skin.oil)
    shine = oily * (0.6 if scene.identity.hair.style in _CURLY else 1.0)
    diffuse = light[..., :3] * (hair * _warmth(hair) * 1.15).astype(np.float32)
    highlight = light[..., 3:] * (shine * (0.25 + 0.75 * np.sqrt(hair))).astype(np.float32)
    return np.asarray((diffuse + highlight) * tone[:, None, None], np.float32)


def _warmth(hair: Array) -> Array:
    """Light goes from strand to strand in fair hair and each time loses blue; grey has no hue."""
    hue = 1 - hair.min() / hair.max()
    fair = np.clip(hair.mean() / 0.15, 0, 1) * np.clip(2.5 * hue, 0, 1)
    return np.asarray(1 + fair * np.array([0.10, -0.02, -0.08]))


@jit
def _spread(values: Any, place: Any, factor: Any, out: Any) -> None:
    """Interpolate colours at some points (n, k, 3) to all (n, m, 3), times a factor (n, m)."""
    last = values.shape[1] - 2
    for i in range(out.shape[0]):
        for s in range(out.shape[1]):
            low = min(int(place[s]), last)
            share = place[s] - np.float32(low)
            for k in range(3):
                colour = values[i, low, k] * (1.0 - share) + values[i, low + 1, k] * share
                out[i, s, k] = colour * factor[i, s]


# --- glasses --------------------------------------------------------------------------------------

_LENS = MappingProxyType(
    {"thin": (2.55, 1.75, 3.0), "thick": (2.6, 1.9, 3.2), "round": (2.35, 2.25, 2.0)}
)
"""Half-width and half-height (cm) and roundness (2 an ellipse, more squarer)."""
_FRAME_WIDTH = MappingProxyType({"thin": 0.13, "thick": 0.34, "round": 0.16})
_POINTS = 41
_BOW = 0.021  # how the front curves back, cm a cm squared


def draw_glasses(canvas: Canvas, scene: Scene, head: HeadModel, person: Floats) -> None:
    """Glasses on a person's neutral head: two lenses, bridge and temples."""
    kind = scene.styling.glasses
    curves = _glasses_curves(kind, head, person)
    screen = canvas.view.project(canvas.view.pose(curves))
    for lens in screen[:2]:
        _tint_lens(canvas, lens)
    width = _FRAME_WIDTH[kind] * canvas.view.scale
    colour = np.array(scene.styling.frame) * canvas.ambient * 1.2 + 0.004
    canvas.draw(screen, colour, width, 1.0, 0.002)
    edge = screen.copy()
    edge[..., 1] -= width * 0.3
    canvas.draw(edge, colour * 2 + 0.10 * canvas.ambient, max(0.5, width * 0.22), 0.5, 0.004)


def _glasses_curves(kind: str, head: HeadModel, person: Floats) -> Floats:
    """Two lenses, the bridge and two temples as curves (5, 41, 3) in head space."""
    half_width, half_height, power = _LENS[kind]
    eye = person[head.eyes[0]]
    x, y = abs(eye[:, 0].mean()), eye[:, 1].mean()
    nose, brows = person[head.landmarks[28]], person[head.landmarks[[19, 24]]]
    front = max(nose[2] + 0.25, brows[:, 2].max() + 0.7)
    ear = np.abs(person[head.landmarks[[0, 16]], 0]).mean() + 0.35
    turn, q = np.linspace(0, 2 * np.pi, _POINTS), np.linspace(0, 1, _POINTS)
    across = np.abs(np.cos(turn)) ** (2 / power) * np.sign(np.cos(turn)) * half_width
    up = np.abs(np.sin(turn)) ** (2 / power) * np.sign(np.sin(turn)) * half_height
    curves = []
    for side in (1, -1):
        inner = 0.12 * (side * across < 0)
        depth = front - _BOW * (side * x + across) ** 2
        curves.append(np.stack([side * x + across, y - 0.25 + up - inner, depth], 1))
    bridge = np.linspace(-1, 1, _POINTS)
    rise = y + 0.35 + 0.25 * (1 - bridge**2)
    curves.append(np.stack([bridge * (x - half_width), rise, np.full(_POINTS, front + 0.1)], 1))
    outer = x + half_width
    for side in (1, -1):
        reach = outer + (ear - outer) * np.minimum(q * 1.15, 1)
        depth = (front - _BOW * outer**2) * (1 - q) + 0.5 * q
        curves.append(np.stack([side * reach, y + 0.6 - 0.2 * q, depth], 1))
    return np.array(curves, np.float32)


def _tint_lens(canvas: Canvas, outline: Floats) -> None:
    image = canvas.image
    inside = np.zeros(image.shape[:2], np.uint8)
    polygon = np.round(outline[:, :2] * 16).astype(np.int32)
    cv2.fillPoly(inside, [polygon], 1, shift=4, lineType=cv2.LINE_8)
    glass = inside > 0
    image[glass] = image[glass] * np.float32(0.93) + np.float32(0.012)
    if canvas.clear is not None:
        canvas.clear[glass] *= np.float32(0.93)


def hair_points(hair: PosedHair) -> HairPoints:
    """The lit points of posed hair."""
    return HairPoints.of(hair.points, hair.normals, hair.turn, hair.shown)
