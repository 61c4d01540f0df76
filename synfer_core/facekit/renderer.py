"""The exact renderer: a scene in, a picture out. Read `Renderer.render` first.

Pictures are drawn at twice their size and reduced. Equal scenes give equal bytes on one machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.action_units import by_side, label_lips_part, shape_weights
from synfer_core.facekit.camera import Gaze, View
from synfer_core.facekit.cutout import alpha_of, behind, is_cut_out, put_on, separated
from synfer_core.facekit.derive import Array, load_derived
from synfer_core.facekit.flow import Flow, Layers, flow_between
from synfer_core.facekit.head import HeadModel
from synfer_core.facekit.jit import jit
from synfer_core.facekit.kept import Kept
from synfer_core.facekit.lids import SIDES
from synfer_core.facekit.lighting import ShadowMaps, light_vertices
from synfer_core.facekit.materials import (
    cloth_material,
    depth_of_tone,
    eye_material,
    mouth_material,
    skin_material,
    wrinkle_strengths,
)
from synfer_core.facekit.pack import load
from synfer_core.facekit.person import People, Person
from synfer_core.facekit.postprocess import (
    compose,
    develop,
    scatter,
    shade_under_lids,
)
from synfer_core.facekit.raster import rasterise, vertex_normals
from synfer_core.facekit.regions import au_region
from synfer_core.facekit.scene import Scene
from synfer_core.facekit.shading import (
    Light,
    Shaded,
    Surface,
    Textures,
    add_wrinkles,
    empty_shaded,
    shade_cloth,
    shade_eyes,
    shade_mouth,
    shade_skin,
    skin_relief,
)
from synfer_core.facekit.staging import Staging, gaze_of_person, key_of, view_of_person
from synfer_core.facekit.strands import (
    Canvas,
    draw_beard,
    draw_brows,
    draw_glasses,
    draw_hair,
    draw_lashes,
)
from synfer_core.facs import AU_SLOTS

Floats = NDArray[np.float32]
SIZES = (32, 1024)
"""Smallest and largest picture, pixels on a side."""

_SUPERSAMPLE = 2
_HALF_WIDTH = 10.65  # typical crop, for the level of detail
_DETAIL_SCALE = 9.8
_LOOK_UP_DEGREES, _LOOK_DOWN_DEGREES = 15.0, 30.0  # at which the lids' look shapes are full
_EXPOSURE_PERCENTILE = 62
_FEW_VERTICES = 50
_STAGES = 4  # scenes kept, some 20 MB each at 512 pixels
_LEAST_HEIGHT = 1e-3  # of a wrinkle layer, below which a texel is left out


@dataclass(frozen=True, eq=False)
class _Geometry:
    """The posed head: mesh, view, gaze, eye centres, lip gap (cm)."""

    view: View
    gaze: Gaze
    points: Floats
    normals: Floats
    eye_centres: Floats
    lip_gap: float


@dataclass(frozen=True, eq=False)
class _Sketch:
    """A scene's mesh on the screen, before light: the surface at each pixel and its nearness."""

    person: Person
    stage: Staging
    shape: _Geometry
    surface: Surface
    depth: Floats

    def layers(self, uncovered: Floats) -> Layers:
        """With how much of each pixel no hair and no frame covers (H, H)."""
        screen = self.shape.view.project(self.shape.points)
        return Layers(self.surface, self.depth, screen, uncovered < 0.5)


class Renderer:
    """Renders scenes with a data pack; threads may share it.

    The last few persons and scenes are kept, so that further expressions of a person in the same
    scene, as in a set or while a slider moves, take less time. They give the same bytes.
    """

    def __init__(self, head: HeadModel, derived: Mapping[str, Array], sha256: str):
        self.head = head
        self.sha256 = sha256
        self._derived = derived
        self._people = People(head, derived)
        self._stages: Kept[bytes, Staging] = Kept(_STAGES)
        self._rests: Kept[bytes, Floats] = Kept(_STAGES)
        self._textures = Textures.of(derived)
        self._wrinkles = [_sparse(layer) for layer in derived["wrinkles"]]
        self._wrinkle_left = derived["wrinkle_left"].ravel()
        self._lip_opening = self._measure_lip_opening()

    @classmethod
    def load(cls, path: Path | None = None) -> Renderer:
        """Load a pack: `path`, else $SYNFER_FACEKIT, else the fetched one.

        The first load of a pack takes some seconds, to derive and cache what the renderer needs.

        Raises:
            PackError: There is no pack, or it is not in the expected form.
        """
        pack = load(path)
        derived = load_derived(pack)
        return cls(HeadModel.build(pack, derived), derived, pack.sha256)

    def render(self, scene: Scene, size: int) -> NDArray[np.uint8]:
        """Render a scene.

        Args:
            scene: What to show.
            size: Pixels on a side, 32 to 1024.

        Returns:
            sRGB picture (size, size, 3); on white where the scene's background is transparent.

        Raises:
            RequestError: The size is out of range.
        """
        return self.render_with_cover(scene, size)[0]

    def render_with_cover(
        self, scene: Scene, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Render a scene, and how much of each pixel the person covers.

        Returns:
            The picture as of `render`, and alpha (size, size); None unless the scene's background
            is a plain colour or transparent, for which the person is cut out.

        Raises:
            RequestError: The size is out of range.
        """
        check_size(size)
        return self._painted(scene, self._sketch(scene, size), size)

    def flow(self, scene: Scene, reference: Scene, size: int) -> Flow:
        """Where each pixel of a scene's picture lies in the picture of a reference.

        Args:
            scene: What the picture shows.
            reference: The same person in the same scene, with other action units.
            size: Pixels on a side of both pictures, 32 to 1024.

        Raises:
            RequestError: The size is out of range, or the scenes differ in more than action units.
        """
        return self.flows((scene, reference), [(0, 1)], size)[0]

    def flows(
        self, scenes: Sequence[Scene], pairs: Sequence[tuple[int, int]], size: int
    ) -> list[Flow]:
        """As `flow`, for many pairs of pictures of one person in one scene.

        Args:
            scenes: They differ in action units alone.
            pairs: Which picture's flow, and to which; numbers of scenes.
            size: Pixels on a side of all pictures, 32 to 1024.

        Raises:
            RequestError: The size is out of range, or the scenes differ in more than action units.
        """
        _check_alike(scenes, size)
        layers = [self._layers(one, size) for one in scenes]
        return [flow_between(layers[a], layers[b], _SUPERSAMPLE) for a, b in pairs]

    def render_with_flows(
        self, scenes: Sequence[Scene], pairs: Sequence[tuple[int, int]], size: int
    ) -> tuple[list[NDArray[np.uint8]], list[Flow]]:
        """As `render` and `flows`, in less time than both.

        Returns:
            Pictures (size, size, 3) of all scenes, and the flows of all pairs.

        Raises:
            RequestError: As of `flows`.
        """
        _check_alike(scenes, size)
        images, layers = [], []
        for scene in scenes:
            sketch = self._sketch(scene, size)
            clear = np.ones_like(sketch.depth)
            images.append(self._painted(scene, sketch, size, clear)[0])
            cut_out = is_cut_out(scene.background)
            layers.append(self._layers(scene, size) if cut_out else sketch.layers(clear))
        return images, [flow_between(layers[a], layers[b], _SUPERSAMPLE) for a, b in pairs]

    def _layers(self, scene: Scene, size: int) -> Layers:
        """What the scene's picture shows where, drawn as large as `render` does."""
        sketch = self._sketch(scene, size)
        clear = np.ones_like(sketch.depth)
        image = np.zeros((*clear.shape, 3), np.float32)
        light = np.ones(3, np.float32)
        canvas = Canvas(image, sketch.depth.copy(), sketch.shape.view, light, clear)
        self._draw_in_front(canvas, scene, sketch, 1.0)
        return sketch.layers(clear)

    def forget(self) -> None:
        """Drop the persons and scenes that are kept; the next pictures are made from nothing."""
        self._people.forget()
        self._stages.clear()
        self._rests.clear()

    def labels(self, scene: Scene) -> tuple[float, ...]:
        """AU slots (0-1) as a coder would score the picture: AU25 at least what the lips show."""
        shape = scene.identity.shape
        rest = self._rests.get(shape.tobytes(), lambda: self.head.identity_points(shape))
        moved = self.head.deform(rest, shape_weights(scene.aus))
        gap = self.head.lip_gap(moved) - self.head.lip_gap(rest)
        return label_lips_part(scene.aus, gap / max(self._lip_opening, 0.05))

    def au_region(self, slot: str, size: int) -> Floats:
        """Where an AU moves the skin of a frontal face, 0-1 (size, size); see `regions`.

        Raises:
            RequestError: The slot is not one of `facs.AU_SLOTS`.
        """
        return au_region(self.head, slot, size)

    def landmarks(self, scene: Scene, size: int) -> Floats:
        """The 68 Multi-PIE points of the scene's face (68, 2), in pixels of a picture of that size;
        on the skin, be they seen or not.
        """
        person = self._people.get(scene.identity, _detail(size * _SUPERSAMPLE))
        view = view_of_person(self.head, person, scene, size)
        points = view.pose(self._moved(scene, person, gaze_of_person(person, scene)))
        return view.project(points[self.head.landmarks])[:, :2]

    # --- stages -----------------------------------------------------------------------------------

    def _sketch(self, scene: Scene, size: int) -> _Sketch:
        person, stage = self._staged(scene, size)
        shape = self._geometry(scene, person, stage)
        surface, depth = self._rasterise(shape, size * _SUPERSAMPLE)
        return _Sketch(person, stage, shape, surface, depth)

    def _painted(
        self, scene: Scene, sketch: _Sketch, size: int, uncovered: Floats | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """The picture of a scene and its alpha, see `render_with_cover`.

        Args:
            uncovered: Where given, filled in with how much of each pixel no hair and no frame
                covers, (H, H) of ones before.
        """
        person, stage, shape, surface = sketch.person, sketch.stage, sketch.shape, sketch.surface
        shadows = ShadowMaps.cast(self.head, shape.points, stage.shadows)
        shown = _shown_vertices(surface, len(shape.points))
        light, exposure = self._light(shape, shown, shadows)
        shaded = self._shade(scene, person, shape, surface, light)
        picture = compose(shaded, surface.owner, stage.background)
        clear = (surface.owner < 0).astype(np.float32) if is_cut_out(scene.background) else None
        ambient, depth = self._face_light(shown, light), sketch.depth.copy()
        canvas = Canvas(picture, depth, shape.view, ambient, clear)
        self._draw_face_strands(canvas, scene, person, shape, shaded)
        if clear is None:
            canvas = replace(canvas, clear=uncovered)
        self._draw_in_front(canvas, scene, sketch, exposure)
        tone = depth_of_tone(scene)
        if clear is None:
            return develop(picture, scene.look, tone, stage.grain), None
        own, cover = separated(picture, clear, size)
        image = develop(own, replace(scene.look, blur=0.0), tone, stage.grain)
        return put_on(image, cover, behind(scene.background)), alpha_of(cover)

    def _draw_in_front(
        self, canvas: Canvas, scene: Scene, sketch: _Sketch, exposure: float
    ) -> None:
        """Glasses and hair."""
        if scene.styling.glasses != "none":
            draw_glasses(canvas, scene, self.head, sketch.person.points)
        if sketch.stage.hair is not None:
            draw_hair(canvas, scene, sketch.stage.hair, exposure)

    def _measure_lip_opening(self) -> float:
        full = tuple(float(slot == "AU25") for slot in AU_SLOTS)
        moved = self.head.deform(self.head.rest, shape_weights(full))
        return self.head.lip_gap(moved) - self.head.lip_gap(self.head.rest)

    def _moved(self, scene: Scene, person: Person, gaze: Gaze) -> Floats:
        """The person's vertices with the scene's expression and the lids' share of the gaze."""
        weights = shape_weights(scene.aus)
        closed = by_side(scene.aus)[43]
        for side, shut in zip(SIDES, closed, strict=True):
            look = "Up" if gaze.elevation > 0 else "Down"
            full = _LOOK_UP_DEGREES if gaze.elevation > 0 else -_LOOK_DOWN_DEGREES
            # Lids follow the gaze only as far as they are open.
            weights[f"eyeLook{look}{side}"] = gaze.elevation / full * (1 - shut)
            blink = weights.get(f"eyeBlink{side}", 0.0)
            weights[f"eyeBlink{side}"] = blink * person.lid_scale[side]
        points = self.head.deform(person.points, weights)
        for lids, shut in zip(person.lids, closed, strict=True):
            lids.close(points, shut)
        return points

    def _staged(self, scene: Scene, size: int) -> tuple[Person, Staging]:
        """The scene's person, and what its expressions share; kept from the last scenes."""
        person = self._people.get(scene.identity, _detail(size * _SUPERSAMPLE))
        stage = self._stages.get(
            key_of(scene, size),
            lambda: Staging.build(self.head, person, scene, size, _SUPERSAMPLE),
        )
        return person, stage

    def _geometry(self, scene: Scene, person: Person, stage: Staging) -> _Geometry:
        view = stage.view
        points = self._moved(scene, person, stage.gaze)
        gap = self.head.lip_gap(points)
        posed = view.pose(points + stage.cloth)
        normals = vertex_normals(posed, self.head.triangles)
        return _Geometry(view, stage.gaze, posed, normals, view.pose(person.eye_centres), gap)

    def _rasterise(self, shape: _Geometry, size: int) -> tuple[Surface, Floats]:
        depth = np.zeros((size, size), np.float32)
        owner = np.full((size, size), -1, np.int32)
        bary = np.zeros((size, size, 2), np.float32)
        head = self.head
        rasterise(shape.view.project(shape.points), head.triangles, True, depth, owner, bary)
        mesh = (head.triangles, head.part, head.uv, head.rest, shape.points, shape.normals)
        return Surface(owner, bary, *mesh), depth

    def _light(
        self, shape: _Geometry, shown: NDArray[np.int32], shadows: ShadowMaps
    ) -> tuple[Light, float]:
        """Light at the vertices in view, exposed so that the face's mean irradiance is about 1."""
        light = light_vertices(self.head, shape.points, shape.normals, shown, shadows)
        measured = light.irradiance[self._on_face(shown)].mean(1)
        exposure = float(1.0 / np.percentile(measured, _EXPOSURE_PERCENTILE))
        gain, lighting = np.float32(exposure), shadows.lighting
        return Light(
            shown,
            light.irradiance * gain,
            light.direction * gain,
            light.visible,
            lighting.key_direction,
            lighting.key_colour * gain,
        ), exposure

    def _on_face(self, shown: NDArray[np.int32]) -> NDArray[np.int32]:
        face = shown[shown < self.head.face_vertices.stop]
        return face if len(face) > _FEW_VERTICES else shown

    def _face_light(self, shown: NDArray[np.int32], light: Light) -> Floats:
        """Typical light on the face (3,)."""
        seen = light.irradiance[self._on_face(shown)]
        return np.asarray(np.percentile(seen, 60, axis=0), np.float32)

    def _shade(
        self, scene: Scene, person: Person, shape: _Geometry, surface: Surface, light: Light
    ) -> Shaded:
        size, scale = len(surface.owner), shape.view.scale
        out = empty_shaded(size)
        skin, cloth = skin_material(scene, scale), cloth_material(scene)
        relief = np.zeros((size, size), np.float32)
        textures = self._textures
        skin_relief(surface, self._wrinkle_heights(scene), textures, skin, relief)
        shade_skin(surface, light, textures, skin, cloth, relief, np.float32(scale), out)
        shade_cloth(surface, light, textures, cloth, out)
        lip_z = float(self.head.rest[self.head.landmarks[62], 2])
        shade_mouth(surface, light, mouth_material(scene, lip_z, shape.lip_gap), out)
        home, _ = self.head.eyeballs(self.head.rest)
        eye = eye_material(scene, shape.eye_centres, home, person.iris_sine, shape.gaze)
        shade_eyes(surface, light, textures.noise, skin, eye, out)
        shade_under_lids(out, scale)
        scatter(out, scale)
        return out

    def _wrinkle_heights(self, scene: Scene) -> Floats:
        size = self._derived["wrinkles"].shape[1]
        heights = np.zeros(size * size, np.float32)
        strengths = wrinkle_strengths(scene).T
        for (texels, values), strength in zip(self._wrinkles, strengths, strict=True):
            if strength.any():
                add_wrinkles(texels, values, self._wrinkle_left, strength, heights)
        return heights.reshape(size, size)

    def _draw_face_strands(
        self, canvas: Canvas, scene: Scene, person: Person, shape: _Geometry, shaded: Shaded
    ) -> None:
        lashes = shape.points[self._derived["lash"]]
        draw_lashes(canvas, scene, lashes, self._derived["lash_lower"])
        brows = person.brows.planting
        raised = brows.on(shape.points) + np.float32(0.04) * brows.on(shape.normals)
        draw_brows(canvas, scene, person.brows, raised)
        if person.beard is not None:
            roots = person.beard.planting.on(shape.points)[:, None]
            turned = person.beard.offset @ shape.view.turn.T
            draw_beard(canvas, scene, person.beard, roots + turned, shaded.irradiance)


def check_size(size: int) -> None:
    """Make sure that a picture of that size can be rendered.

    Raises:
        RequestError: It is out of range.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise RequestError(
            f"{size} is out of range", field="size", allowed=f"{SIZES[0]} to {SIZES[1]}"
        )


def _check_alike(scenes: Sequence[Scene], size: int) -> None:
    """Make sure that scenes differ in action units alone, and that they can be rendered."""
    check_size(size)
    if len({key_of(one, size) for one in scenes}) > 1:
        raise RequestError(
            "shows another person or scene", field="reference", allowed="other AUs alone"
        )


def _detail(size: int) -> float:
    """Level of detail of hair, by the typical pixels a cm of a buffer."""
    scale = size / 2 / _HALF_WIDTH / _DETAIL_SCALE
    return float(np.clip(0.4 * scale - 0.1, 0.2, 2.0))


def _sparse(layer: Array) -> tuple[NDArray[np.int32], Floats]:
    flat = layer.ravel().astype(np.float32)
    texels = np.flatnonzero(np.abs(flat) > _LEAST_HEIGHT).astype(np.int32)
    return texels, flat[texels]


def _shown_vertices(surface: Surface, count: int) -> NDArray[np.int32]:
    triangles = np.zeros(len(surface.triangles), bool)
    _mark(surface.owner, triangles)
    shown = np.zeros(count, bool)
    shown[surface.triangles[triangles]] = True
    return np.flatnonzero(shown).astype(np.int32)


@jit
def _mark(owner: Any, marked: Any) -> None:
    """Mark the triangles that can be seen."""
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            if owner[y, x] >= 0:
                marked[owner[y, x]] = True
