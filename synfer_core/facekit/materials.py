"""Materials of a scene: named numbers for the shading kernels, worked out from a scene."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.action_units import by_side
from synfer_core.facekit.camera import Gaze
from synfer_core.facekit.facial_hair import beard_stubble
from synfer_core.facekit.identity import RGB
from synfer_core.facekit.jit import single
from synfer_core.facekit.palette import (
    EYE_COLOURS,
    lab_to_linear,
    linear_to_lab,
    portrait_exposure,
)
from synfer_core.facekit.scene import Scene

Floats = NDArray[np.float32]


class SkinMaterial(NamedTuple):
    """Skin, lips, make-up and the hair's shadow on the scalp; colours are linear RGB.

    Plain numbers and tuples alone: arrays in here would be counted at every pixel.
    """

    albedo: RGB
    lip: RGB
    scalp: RGB
    shadow: RGB
    hairline: float
    recession: float
    bare_crown: float
    undercoat: float
    undercoat_rise: float
    stubble: float
    oil: float
    blush: float
    under_eye: float
    freckles: float
    blotches: float
    redness: float
    liner: float
    eye_shadow: float
    lip_gloss: float
    spots: float
    pores: float
    grain: float
    offset_u: float
    offset_v: float


class ClothMaterial(NamedTuple):
    """Clothes begin below the plane y = neck + slope * z."""

    albedo: RGB
    neck: float
    slope: float
    pattern: int


class MouthMaterial(NamedTuple):
    """Teeth and gums; `open` dims the cavity while the lips are nearly closed."""

    teeth: RGB
    gums: RGB
    lip_z: float
    open: float


class EyeMaterial(NamedTuple):
    """Eyeballs: `radius` is the iris's sine at the eye's centre, `catch` the catchlight.

    `home` holds the centres on the shared mesh at rest, from which the caruncle is found.
    """

    sclera: RGB
    outer: RGB
    inner: RGB
    radius: float
    pupil: float
    centre: Floats
    home: Floats
    gaze: Floats
    texture: Floats
    reflection: float
    catch: float


def _rgb(colour: NDArray[np.float64]) -> RGB:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _f32(values: Any) -> Floats:
    return np.ascontiguousarray(values, np.float32)


_UNDERCOAT = {"bald": 0.12, "buzz": 0.72, "afro": 0.95, "receding": 0.7}
_PUPIL = 0.85  # pupils in a lit room are 3 to 4.7 mm wide
_THIN_STYLES = ("bald", "buzz", "receding")


def depth_of_tone(scene: Scene) -> float:
    """Skin tone as 0 (lightest) to 1 (darkest)."""
    return (scene.identity.skin.step - 1) / 9


def skin_material(scene: Scene, scale: float) -> SkinMaterial:
    """The skin of a scene; `scale` is pixels a centimetre, pores fade in small pictures."""
    person, skin, hair, styling = (
        scene.identity, scene.identity.skin, scene.identity.hair, scene.styling
    )  # fmt: skip
    d = depth_of_tone(scene)
    return single(
        SkinMaterial(
            albedo=_rgb(skin.linear),
            lip=_rgb(_lip_colour(scene)),
            scalp=_rgb((np.array(hair.rgb) * 0.8 + skin.linear * 0.02) * 0.75),
            shadow=_rgb(np.array(styling.eye_shadow_colour) * 0.5 + skin.linear * 0.4),
            hairline=hair.hairline,
            recession=hair.recession,
            bare_crown=20.0 * hair.bare_crown,
            undercoat=_UNDERCOAT.get(hair.style, 0.88),
            undercoat_rise=0.0 if hair.style in _THIN_STYLES else 0.1,
            stubble=beard_stubble(person),
            oil=skin.oil,
            blush=skin.blush,
            under_eye=skin.under_eye,
            freckles=skin.freckles,
            blotches=skin.blotches,
            redness=1 - 0.45 * d,
            liner=styling.liner,
            eye_shadow=styling.eye_shadow,
            lip_gloss=1.3 if styling.lipstick is not None else 0.5,
            spots=0.55 * max(0.0, ageing(person.age) - 0.2),
            pores=skin.pores * (1 + 0.8 * ageing(person.age)) * min(1.0, scale / 20),
            grain=min(1.0, scale / 30),
            offset_u=skin.noise_offset[0],
            offset_v=skin.noise_offset[1],
        )
    )


def _lip_colour(scene: Scene) -> NDArray[np.float64]:
    """Natural lips: the person's skin, darker and redder; lipstick covers them.

    Vermilion is redder than the skin around it, about as saturated, and darker but on deep skin
    (Baras et al., 914 women of three countries); less so on men, paler with age.
    """
    person, gain = scene.identity, portrait_exposure(depth_of_tone(scene))
    lightness, red, yellow = linear_to_lab(person.skin.linear * gain)
    light = float(np.clip((lightness - 32) / 40, 0, 1))
    tint = np.log(person.lip_tint)
    amount = (0.72 if person.sex == "man" else 1.0) * (1 - 0.3 * ageing(person.age))
    lab = (
        lightness - 20 * light * amount + 10 * tint.mean(),
        red + (6.5 + 9.0 * light) * amount + 5 * (tint[0] - tint[1]),
        yellow - (2.5 + 2.0 * light) * amount + 3 * (tint[1] - tint[2]),
    )
    lip = np.maximum(lab_to_linear(lab) / gain, 0.004)
    if scene.styling.lipstick is not None:
        lip = np.array(scene.styling.lipstick) * 0.55 / gain + lip * 0.25
    return np.asarray(lip)


def ageing(age: float) -> float:
    """How old skin is, 0 (35 years and younger) to 1 (80)."""
    return float(np.clip((age - 35) / 45, 0, 1))


def cloth_material(scene: Scene) -> ClothMaterial:
    """The clothes of a scene."""
    styling = scene.styling
    neck, slope = styling.neckline
    return single(ClothMaterial(_rgb(np.array(styling.cloth)), neck, slope, styling.pattern))


def mouth_material(scene: Scene, lip_z: float, lip_gap: float) -> MouthMaterial:
    """Teeth and gums behind lips that are `lip_gap` cm apart, with the lips' front at `lip_z`."""
    light = float(np.clip((lip_gap + 0.02) / 0.3, 0.25, 1))
    old = ageing(scene.identity.age)
    enamel = np.array([0.66, 0.60, 0.50]) * (1 - old * np.array([0.12, 0.2, 0.34]))
    return single(MouthMaterial(_rgb(enamel), (0.42, 0.17, 0.15), lip_z, light))


def eye_material(
    scene: Scene, centres: Floats, home: Floats, radius: float, gaze: Gaze
) -> EyeMaterial:
    """The eyes of a scene; sclera and iris are dimmed on dark skin, as adaptation does."""
    eyes, d = scene.identity.eyes, depth_of_tone(scene)
    outer, inner = (np.array(c) * 0.78 * (1 - 0.3 * d) for c in EYE_COLOURS[eyes.colour])
    noise = cv2.GaussianBlur(eyes.texture.astype(np.float32), (0, 0), sigmaX=1.5, sigmaY=6)
    return single(
        EyeMaterial(
            sclera=_rgb(np.array([0.50, 0.455, 0.425]) * (1 - 0.42 * d)),
            outer=_rgb(outer),
            inner=_rgb(inner),
            radius=radius,
            pupil=_PUPIL * eyes.pupil,
            centre=_f32(centres),
            home=_f32(home),
            gaze=gaze.directions,
            texture=_f32(np.exp(noise / noise.std() * 0.22)),
            reflection=float(np.cos(0.11 + 0.22 * scene.lighting.softness)),
            catch=1.9 * (1 - 0.4 * d),
        )
    )


def wrinkle_strengths(scene: Scene) -> Floats:
    """Height of each wrinkle layer in cm (2, layers): left, right; order of `derive.WRINKLES`."""
    sides = by_side(scene.aus)
    age = scene.identity.skin.wrinkles
    au = [{n: both[s] for n, both in sides.items()} for s in (0, 1)]
    return _f32([_side_wrinkles(a, age) for a in au])


def _side_wrinkles(au: dict[int, float], age: float) -> tuple[float, ...]:
    """Expression wrinkles deepen with the AU, more so with age; a part of them stays with age."""
    depth, fold = 0.6 + 0.6 * age, 0.6 + 0.6 * age
    old = age**1.5
    return (
        0.07 * depth * max(au[2], 0.5 * au[1]) + 0.035 * old,
        0.06 * depth * max(0.0, au[1] - 0.5 * au[2]),
        0.15 * depth * min(1.2, au[4] + 0.4 * au[9]) + 0.03 * old,
        0.065 * depth * max(au[6], 0.4 * au[7]) + 0.03 * age**1.3,
        0.12 * (0.7 + 0.4 * age) * au[9],
        0.11 * fold * max(au[12] * 0.6, au[10], au[9], au[6] * 0.4) + 0.06 * age,
        0.035 * au[17],
        0.06 * max(au[14], 0.35 * au[12]),
        0.05 * fold * au[15] + 0.035 * old,
        0.06 * (1 - 0.5 * au[43]),
        0.04 * old,
    )
