"""What a picture shows: a frozen description of person, expression, pose, light and camera.

A scene fixes every number of a render. `sample_scene` draws one from a `Distribution`; `scene_for`
puts given action units on a given person, with everything else decided by a seed.
Angles are degrees, lengths centimetres, colours linear RGB unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.identity import RGB, Identity, draw_identity, with_beard, with_hair
from synfer_core.facekit.lights import SET_UPS, Lighting, draw_lighting, mirrored
from synfer_core.facekit.palette import (
    CLOTH_COLOURS_SRGB8,
    EYE_SHADOWS,
    LIPSTICKS,
    srgb_to_linear,
)
from synfer_core.facs import (
    ACTION_UNITS,
    AU_SLOTS,
    EXPRESSIONS,
    MAX_INTENSITY,
    PROTOTYPES,
    to_slots,
    validate_aus,
)
from synfer_core.request import BACKGROUND_KINDS, TRANSPARENT, SceneOptions

BACKGROUNDS = BACKGROUND_KINDS
COLOUR = "colour"
CUT_OUT = (COLOUR, TRANSPARENT)
"""Kinds of background that the person is cut out for; no seed draws them."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Turn of the head; positive yaw is to the subject's left, positive pitch upwards."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class Camera:
    """A camera at the height of the eyes.

    Attributes:
        half_width: Half the width of the picture at the face.
        shift: Shift of the face.
        distance: Between camera and face.
        face_y: Share of the picture's height at which the middle between eyes and mouth lies.
        on_eyes: Whether the eyes of everybody come to `EYE_PLACES`, whatever `half_width`, `shift`
            and `face_y` say.
    """

    half_width: float = 10.51
    shift: tuple[float, float] = (0.0, 0.0)
    distance: float = 140.0
    face_y: float = 0.545
    on_eyes: bool = False

    def framed(self, framing: str) -> Camera:
        """This camera, which frames a face, further out as one of `FRAMINGS` asks.

        Raises:
            RequestError: The framing is not known.
        """
        if framing not in FRAMINGS:
            allowed = ", ".join(FRAMINGS)
            raise RequestError(f"{framing!r} is not known", field="framing", allowed=allowed)
        factor, face_y = FRAMINGS[framing]
        width = self.half_width * factor
        return replace(self, half_width=width, face_y=face_y, on_eyes=framing == "eyes")


FRAMINGS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"face": (1.0, 0.545), "head": (1.78, 0.612), "eyes": (1.0, 0.545)}
)
"""What a picture holds: the face alone, as all trained networks know it; the whole head with hair,
chin and shoulders; or the face with everybody's eyes in the same places (`EYE_PLACES`). How much
wider than the face, and `Camera.face_y`."""
EYE_PLACES = ((0.342, 0.379), (0.659, 0.379))
"""Shares (x, y) of the picture where framing by the eyes puts the middles between their corners,
left in the picture first; those of `faces.align`."""
_EYE_CORNERS = ((36, 39), (42, 45))


def eye_centres(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middles between the corners of each eye, left in the picture first.

    Args:
        landmarks: The 68 Multi-PIE landmarks (68, D), in pixels or in space.

    Returns:
        (2, D).
    """
    return np.stack([landmarks[list(pair)].mean(0) for pair in _EYE_CORNERS])


@dataclass(frozen=True)
class Background:
    """Colours are sRGB here; `seed` draws the shapes of the busy kinds.

    A ``colour`` is `first` in every pixel behind the person; ``transparent`` shows white there.
    """

    kind: str
    first: RGB
    second: RGB
    angle: float
    vignette: float
    gain: float
    seed: int


@dataclass(frozen=True)
class Styling:
    """What a person puts on: glasses, make-up, clothes. `lipstick` is None where there is none."""

    glasses: str
    frame: RGB
    makeup: str
    lipstick: RGB | None
    liner: float
    eye_shadow: float
    eye_shadow_colour: RGB
    cloth: RGB
    neckline: tuple[float, float]
    pattern: int


@dataclass(frozen=True)
class Look:
    """The camera's rendition: exposure gain, contrast, saturation, blur and noise."""

    exposure: float = 1.0
    contrast: float = 1.08
    saturation: float = 1.02
    blur: float = 0.0
    noise: float = 0.003
    seed: int = 0


@dataclass(frozen=True)
class Scene:
    """One picture. `aus` are intensities 0-1 in the order of `facs.AU_SLOTS`.

    `expression` is the prototype the AUs were drawn from, or ``mixed``. With `gaze` the eyes follow
    the head a part of the way; `held_gaze` is against the camera, and wins where it is not None.
    """

    identity: Identity
    aus: tuple[float, ...]
    expression: str
    pose: Pose
    gaze: tuple[float, float]
    camera: Camera
    lighting: Lighting
    background: Background
    styling: Styling
    look: Look
    held_gaze: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Distribution:
    """How scenes are drawn. Pairs of pose and gaze are (standard deviation, limit)."""

    name: str
    yaw: Range
    pitch: Range
    roll: Range
    gaze_x: Range
    gaze_y: Range
    half_width: Range
    shift: float
    distance: Range
    lighting: Mapping[str, float]
    key_lights: int
    ambient_lights: int
    backgrounds: Mapping[str, float]
    background_saturation: float
    background_value: Range
    background_gain: Range
    second_colour: Range
    second_jitter: float
    exposure: Range
    contrast: Range
    saturation: Range
    blur: float
    noise: Range
    modes: Mapping[str, float]


_FREE_SHARE = 0.25  # of the 22 AUs, in a free mix
_MODES = MappingProxyType({"prototype": 0.45, "random": 0.36, "single": 0.12, "neutral": 0.07})

CALM = Distribution(
    name="calm",
    yaw=(4, 10),
    pitch=(2.2, 6),
    roll=(0.8, 2),
    gaze_x=(0.6, 1.5),
    gaze_y=(0.4, 1),
    half_width=(10.26, 10.76),
    shift=0.08,
    distance=(120, 160),
    lighting=MappingProxyType(
        {"soft window": 0.3, "studio": 0.3, "overcast": 0.2, "flat flash": 0.2}
    ),
    key_lights=3,
    ambient_lights=8,
    backgrounds=MappingProxyType({"plain": 0.5, "gradient": 0.5}),
    background_saturation=0.5,
    background_value=(0.3, 0.9),
    background_gain=(0.9, 1.1),
    second_colour=(0.6, 1.2),
    second_jitter=0.02,
    exposure=(0.95, 1.05),
    contrast=(1.08, 0.02),
    saturation=(1.02, 0.03),
    blur=0.0,
    noise=(0.003, 0.003),
    modes=_MODES,
)
"""What stimuli want: the face fills the frame, plain backgrounds, head nearly frontal."""

WIDE = Distribution(
    name="wide",
    yaw=(9, 20),
    pitch=(4.5, 10),
    roll=(2.2, 5),
    gaze_x=(4, 12),
    gaze_y=(3, 9),
    half_width=(12.05, 14.05),
    shift=0.35,
    distance=(90, 170),
    lighting=MappingProxyType(
        {
            "soft window": 0.2,
            "studio": 0.2,
            "overcast": 0.14,
            "warm indoor": 0.14,
            "side light": 0.12,
            "flat flash": 0.08,
            "backlit": 0.05,
            "golden hour": 0.07,
        }
    ),
    key_lights=5,
    ambient_lights=12,
    backgrounds=MappingProxyType(
        {"plain": 0.25, "gradient": 0.25, "blur": 0.22, "wall": 0.13, "bokeh": 0.15}
    ),
    background_saturation=0.7,
    background_value=(0.12, 0.95),
    background_gain=(0.7, 1.15),
    second_colour=(0.5, 1.3),
    second_jitter=0.05,
    exposure=(0.85, 1.15),
    contrast=(1.08, 0.06),
    saturation=(1.0, 0.08),
    blur=0.5,
    noise=(0.003, 0.014),
    modes=_MODES,
)
"""Everyday variety: any light, busy backgrounds, heads turned up to 20 degrees."""

FREE = replace(CALM, name="free", modes=MappingProxyType({"free": 1.0}))
"""As calm, but every AU comes and goes by itself: what tells one unit from its usual company."""

LABELLED = replace(
    CALM, name="labelled", modes=MappingProxyType({"prototype": 0.88, "neutral": 0.12})
)
"""As calm, but every image carries an expression: what readers of labels learn from."""

HALF = replace(CALM, name="half", modes=MappingProxyType({"half": 1.0}))
"""As free, but every AU is there in half of the pictures: a test of units that nothing else gives
away."""

PORTRAIT = replace(
    CALM,
    name="portrait",
    yaw=(4.5, 12),
    pitch=(2.4, 7),
    roll=(1, 3),
    gaze_x=(1.5, 6),
    gaze_y=(1, 4),
    lighting=MappingProxyType(
        {
            "soft window": 0.23,
            "studio": 0.23,
            "overcast": 0.16,
            "flat flash": 0.14,
            "warm indoor": 0.08,
            "side light": 0.07,
            "backlit": 0.04,
            "golden hour": 0.05,
        }
    ),
    backgrounds=MappingProxyType(
        {"plain": 0.4, "gradient": 0.38, "blur": 0.09, "wall": 0.06, "bokeh": 0.07}
    ),
    background_value=(0.15, 0.95),
    modes=MappingProxyType({"graded": 0.45, "free": 0.25, "random": 0.15, "sided": 0.15}),
)
"""Faces as calm frames them, in any light and before any background, with every kind of mix: what
an editor of portraits learns from."""

VARIED = replace(
    PORTRAIT,
    name="varied",
    modes=MappingProxyType({"graded": 0.25, "free": 0.3, "half": 0.3, "sided": 0.15}),
)
"""As portrait, with fewer prototypes and more mixes: what readers of action units learn from."""

DISTRIBUTIONS: Mapping[str, Distribution] = MappingProxyType(
    {one.name: one for one in (CALM, WIDE, FREE, LABELLED, HALF, PORTRAIT, VARIED)}
)


def sample_scene(
    rng: np.random.Generator,
    *,
    identity: int | Identity,
    distribution: Distribution = CALM,
    expression: str | None = None,
    aus: tuple[float, ...] | None = None,
    traits: Mapping[str, Any] | None = None,
    framing: str = "face",
) -> Scene:
    """Draw a scene. Given `aus`, everything else depends on `rng` and the person alone.

    Args:
        rng: Source of every choice but the person's.
        identity: Identity seed, or a person.
        distribution: How everything is drawn.
        expression: One of `facs.EXPRESSIONS` to draw the AUs from; None draws the kind as well.
        aus: AU slots (0-1) to use in place of drawn ones; `expression` then only labels them.
        traits: See `scene_for`.
        framing: One of `FRAMINGS`.

    Raises:
        RequestError: A trait, expression, framing or AU is not known.
    """
    spec = distribution
    wanted = dict(traits or {})
    staging = {name: wanted.pop(name, None) for name in ("lighting", "background", "makeup")}
    if isinstance(identity, Identity):
        person = _with_glasses(identity, wanted)
    else:
        person = draw_identity(identity, **wanted)
    if aus is None:
        aus, label = sample_aus(rng, expression, spec.modes)
    else:
        label = _check_expression(expression or "mixed")
    return Scene(
        identity=person,
        aus=aus,
        expression=label,
        pose=Pose(*(_clipped(rng, s) for s in (spec.yaw, spec.pitch, spec.roll))),
        gaze=(_clipped(rng, spec.gaze_x), _clipped(rng, spec.gaze_y)),
        camera=_draw_camera(rng, spec).framed(framing),
        lighting=_draw_lighting(rng, spec, staging["lighting"]),
        background=_draw_background(rng, spec, staging["background"]),
        styling=_draw_styling(rng, person, staging["makeup"]),
        look=_draw_look(rng, spec),
    )


def scene_for(
    aus: Mapping[str, float],
    identity: int | Identity,
    seed: int,
    *,
    calm: bool = True,
    expression: str | None = None,
    traits: Mapping[str, Any] | None = None,
    framing: str = "face",
    options: SceneOptions | None = None,
) -> Scene:
    """The scene of a recipe: given AUs on a given person; the seed decides pose, light and set.

    The same person and seed with other AUs is the same picture with another expression.

    Args:
        aus: Intensities 0-5 by AU key, such as ``{"AU12": 4.0}``.
        identity: Identity seed, or a person (traits of the person are then left as they are).
        seed: Decides pose, gaze, light, background and clothes.
        calm: Draw those from `CALM`, else from `WIDE`.
        expression: The label, one of `facs.EXPRESSIONS`.
        traits: Fixed traits: those of `identity.draw_identity`, ``lighting``, ``background`` and
            ``makeup``; `captions.attributes_in` reads them off a text.
        framing: One of `FRAMINGS`: ``face``, or ``head`` for the whole head.
        options: What is put in place of what was drawn; see `staged`. Its framing wins.

    Raises:
        RequestError: An AU, intensity, trait, framing or expression is not known.
    """
    slots = to_slots(validate_aus(aus))
    rng = np.random.default_rng([seed, 4217])
    scene = sample_scene(
        rng,
        identity=identity,
        distribution=CALM if calm else WIDE,
        expression=expression,
        aus=slots,
        traits=traits,
        framing=(options and options.framing) or framing,
    )
    return scene if options is None else staged(scene, options, seed)


# --- what is not left to the seed --------------------------------------------------------------


def staged(scene: Scene, options: SceneOptions, seed: int) -> Scene:
    """A drawn scene with what is given put in its place; nothing else of it changes.

    Args:
        scene: As it was drawn.
        options: What is given; its framing is the camera's already, see `Camera.framed`.
        seed: Draws the lamps of another kind of light than the scene's.
    """
    pose = {name: getattr(options, name) for name in ("yaw", "pitch", "roll")}
    glasses = options.glasses or scene.styling.glasses
    return replace(
        scene,
        identity=replace(_groomed(scene.identity, options), glasses=glasses),
        pose=replace(scene.pose, **{k: v for k, v in pose.items() if v is not None}),
        held_gaze=(options.gaze_yaw, options.gaze_pitch),
        lighting=_lit(scene.lighting, options, seed),
        background=_backed(scene.background, options),
        styling=replace(scene.styling, glasses=glasses),
    )


def _groomed(person: Identity, options: SceneOptions) -> Identity:
    if options.hair is not None:
        bald = replace(person, hair=replace(person.hair, style="bald"))
        person = with_hair(person) if options.hair else bald
    if options.beard is not None:
        person = with_beard(person) if options.beard else replace(person, beard="none")
    return person


def _lit(lighting: Lighting, options: SceneOptions, seed: int) -> Lighting:
    if options.light not in (None, lighting.kind):
        rng = np.random.default_rng([seed, 4218, list(SET_UPS).index(options.light)])
        lighting = draw_lighting(rng, options.light, CALM.key_lights, CALM.ambient_lights)
    side = {"left": 1.0, "right": -1.0}.get(options.light_side or "", lighting.azimuth)
    return lighting if side * lighting.azimuth >= 0 else mirrored(lighting)


def _backed(background: Background, options: SceneOptions) -> Background:
    if options.colour is not None:
        red, green, blue = options.colour
        return replace(background, kind=COLOUR, first=(red / 255, green / 255, blue / 255))
    kind = options.background
    return background if kind is None else replace(background, kind=kind)


def _with_glasses(person: Identity, wanted: Mapping[str, Any]) -> Identity:
    glasses = wanted.get("glasses")
    return person if glasses is None else replace(person, glasses=glasses)


def _clipped(rng: np.random.Generator, spread: Range) -> float:
    deviation, limit = spread
    return float(np.clip(rng.normal(0, deviation), -limit, limit))


def _uniform(rng: np.random.Generator, bounds: Range) -> float:
    return float(rng.uniform(*bounds))


def _choose(
    rng: np.random.Generator,
    weights: Mapping[str, float],
    wanted: str | None,
    known: tuple[str, ...],
    field: str,
) -> str:
    names = list(weights)
    drawn = str(rng.choice(names, p=[weights[n] for n in names]))
    if wanted is None:
        return drawn
    if wanted not in known:
        raise RequestError(f"{wanted!r} is not known", field=field, allowed=", ".join(known))
    return wanted


def _draw_camera(rng: np.random.Generator, spec: Distribution) -> Camera:
    half = _uniform(rng, spec.half_width)
    x, y = rng.normal(0, spec.shift, 2)
    return Camera(half, (float(x), float(y)), _uniform(rng, spec.distance))


def _draw_lighting(rng: np.random.Generator, spec: Distribution, wanted: str | None) -> Lighting:
    kind = _choose(rng, spec.lighting, wanted, tuple(WIDE.lighting), "lighting")
    return draw_lighting(rng, kind, spec.key_lights, spec.ambient_lights)


def _draw_background(
    rng: np.random.Generator, spec: Distribution, wanted: str | None
) -> Background:
    kind = _choose(rng, spec.backgrounds, wanted, BACKGROUNDS, "background")
    saturation = rng.beta(1.2, 3) * spec.background_saturation
    first = _hsv(rng.random(), saturation, _uniform(rng, spec.background_value))
    jitter = rng.normal(0, spec.second_jitter, 3)
    second = np.clip(first * _uniform(rng, spec.second_colour) + jitter, 0, 1)
    return Background(
        *(kind, _rgb(first), _rgb(second), float(rng.random() * 2 * np.pi)),
        *(float(rng.uniform(0, 0.7)), _uniform(rng, spec.background_gain)),
        int(rng.integers(1 << 31)),
    )


def _hsv(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    """Hue, saturation and value (0-1) to sRGB."""
    ramp = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return np.asarray(value * (1 - saturation + saturation * np.clip(ramp, 0, 1)))


def _rgb(values: NDArray[np.float64]) -> RGB:
    return float(values[0]), float(values[1]), float(values[2])


def _draw_styling(rng: np.random.Generator, person: Identity, wanted: str | None) -> Styling:
    known = ("none", *LIPSTICKS)
    names = list(LIPSTICKS)
    drawn = names[rng.integers(len(names))]
    # Drawn for everybody, so that the clothes do not depend on who wears them.
    chance = rng.random()
    makeup = drawn if person.sex == "woman" and chance < 0.4 else "none"
    makeup = _choose(rng, {makeup: 1.0}, wanted, known, "makeup")
    made_up = makeup != "none"
    cloth = np.array(CLOTH_COLOURS_SRGB8[rng.integers(12)]) * rng.uniform(0.8, 1.05) / 255
    neckline = rng.choice([-10.8, -11.4, -12.5, -8.6], p=[0.45, 0.25, 0.2, 0.1])
    return Styling(
        glasses=person.glasses,
        frame=person.frame_rgb,
        makeup=makeup,
        lipstick=LIPSTICKS[makeup] if made_up else None,
        liner=float(rng.uniform(0.15, 0.45) + 0.3 * made_up),
        eye_shadow=float(rng.uniform(0.1, 0.45) * made_up),
        eye_shadow_colour=EYE_SHADOWS[rng.integers(4)],
        cloth=_rgb(srgb_to_linear(np.minimum(cloth, 1))),
        neckline=(float(neckline), float(rng.uniform(-0.32, -0.2))),
        pattern=int(rng.choice(4, p=[0.72, 0.1, 0.08, 0.1])),
    )


def _draw_look(rng: np.random.Generator, spec: Distribution) -> Look:
    return Look(
        exposure=_uniform(rng, spec.exposure),
        contrast=float(rng.normal(*spec.contrast)),
        saturation=float(rng.normal(*spec.saturation)),
        blur=float(rng.uniform(0, 1) * spec.blur),
        noise=_uniform(rng, spec.noise),
        seed=int(rng.integers(1 << 31)),
    )


# --- expressions ------------------------------------------------------------------------------

_UPPER = (1, 2, 4, 5, 6, 7, 9, 43)
_LOWER_WEIGHTS = MappingProxyType(
    {
        **dict.fromkeys((10, 12, 14, 15, 17), 1.0),
        **{18: 1.6, 20: 1.0, 22: 1.0, 23: 1.0, 24: 1.0, 25: 1.0, 26: 1.0, 27: 0.8, 28: 1.8},
    }
)
_OPPOSED = (
    *((18, 22), (12, 18), (20, 18), (22, 12), (22, 20), (23, 25), (24, 25), (28, 25)),
    *((24, 27), (28, 27), (24, 26), (28, 26), (23, 27), (23, 26), (28, 18), (28, 22)),
    *((24, 22), (23, 22), (28, 24), (23, 24), (12, 15), (26, 27), (17, 27), (17, 26)),
    *((10, 28), (10, 24), (10, 23), (22, 14), (18, 14), (28, 17), (18, 15), (22, 15)),
    (5, 43),
)
"""Pairs that exclude each other anatomically: free mixes never hold both."""

_Sides = dict[int, NDArray[np.float64]]


def sample_aus(
    rng: np.random.Generator,
    expression: str | None = None,
    modes: Mapping[str, float] = _MODES,
) -> tuple[tuple[float, ...], str]:
    """Draw AU slots (0-1) and their label.

    Returns:
        Slots in `AU_SLOTS` order, and the expression they were drawn from or ``mixed``.

    Raises:
        RequestError: The expression is not one of `facs.EXPRESSIONS`.
    """
    _check_expression(expression or "neutral")
    mode = str(rng.choice(list(modes), p=list(modes.values())))
    if expression is not None:
        mode = "neutral" if expression == "neutral" else "prototype"
    aus: _Sides = {number: np.zeros(2) for number in ACTION_UNITS}
    label = "neutral" if mode == "neutral" else "mixed"
    if mode == "prototype":
        label = expression or str(rng.choice(EXPRESSIONS[1:]))
        _draw_prototype(rng, aus, label, _usual_strength(rng))
    elif mode == "graded":
        label = str(rng.choice(EXPRESSIONS[1:]))
        _draw_prototype(rng, aus, label, _graded(rng, label))
    elif mode == "single":
        _draw_single(rng, aus, one_sided=0.25)
    elif mode == "sided":
        _draw_single(rng, aus, one_sided=0.5)
    elif mode == "random":
        _draw_mix(rng, aus)
    elif mode == "free":
        _draw_free(rng, aus, _FREE_SHARE)
    elif mode == "half":
        _draw_free(rng, aus, 0.5)
    _part_lips_with_jaw(aus)
    return _as_slots(aus), label


def with_one_changed(
    rng: np.random.Generator, slots: tuple[float, ...]
) -> tuple[tuple[float, ...], int]:
    """A copy of AU slots (0-1) that differs in one unit, of the sided ones at times on one side.

    A unit that is there goes or changes by a fifth of the scale at least; one that comes is
    excluded by none that is there.

    Returns:
        The slots and the unit's number.
    """
    aus = _as_sides(slots)
    shown = {n for n, both in aus.items() if both.max() > 0}
    barred = {n for pair in _OPPOSED for n in pair if (set(pair) - {n}) <= shown} - shown
    number = int(rng.choice([n for n in ACTION_UNITS if n not in barred]))
    sides = [0, 1]
    if ACTION_UNITS[number].sided and rng.random() < 0.4:
        sides = [int(rng.integers(2))]
    aus[number][sides] = _another(rng, float(aus[number][sides].max()))
    return _as_slots(aus), number


def _another(rng: np.random.Generator, value: float) -> float:
    """A value of 0-1 at least 0.2 away; zero at times where there is something."""
    if value >= 0.2 and rng.random() < 0.4:
        return 0.0
    while True:
        other = float(rng.uniform(0.05, 1))
        if abs(other - value) >= 0.2:
            return other


def _check_expression(expression: str) -> str:
    if expression not in (*EXPRESSIONS, "mixed"):
        allowed = ", ".join(EXPRESSIONS)
        raise RequestError(f"{expression!r} is not known", field="expression", allowed=allowed)
    return expression


def _as_sides(slots: tuple[float, ...]) -> _Sides:
    values = dict(zip(AU_SLOTS, slots, strict=True))
    return {
        number: np.array(
            [values[f"AUL{number}"], values[f"AUR{number}"]]
            if unit.sided
            else [values[unit.key]] * 2
        )
        for number, unit in ACTION_UNITS.items()
    }


def _as_slots(aus: _Sides) -> tuple[float, ...]:
    values = []
    for slot in AU_SLOTS:
        side = 1 if slot.startswith("AUR") else 0
        values.append(float(aus[int(slot.lstrip("AULR"))][side]))
    return tuple(values)


def _usual_strength(rng: np.random.Generator) -> float:
    low = rng.random() < 0.4
    return float(rng.uniform(0.3, 1.0) if low else rng.uniform(0.8, 1.6))


def _graded(rng: np.random.Generator, label: str) -> float:
    """A strength at which the prototype's strongest unit is anything from a trace to its most."""
    strongest = max(PROTOTYPES[label].values()) / MAX_INTENSITY
    return float(rng.uniform(0.5 / MAX_INTENSITY, 1) / strongest)


def _draw_prototype(rng: np.random.Generator, aus: _Sides, label: str, strength: float) -> None:
    """A prototype of an overall strength, with each AU and the symmetry varied."""
    targets = {int(k.lstrip("AULR")): v / 5 for k, v in PROTOTYPES[label].items()}
    if label == "contempt":
        side = rng.integers(2)
        for number, value in targets.items():
            amount = value * strength * 1.3 * rng.uniform(0.8, 1.2)
            aus[number][side] = np.clip(amount, 0, 1)
        return
    dropped = {"happiness": 25, "anger": 24}.get(label)
    if dropped and rng.random() < 0.3:
        del targets[dropped]
    asymmetry = rng.normal(0, 0.05)
    for number, value in targets.items():
        both = np.clip(value * strength * rng.uniform(0.8, 1.2), 0, 1) * np.ones(2)
        if ACTION_UNITS[number].sided:
            both = np.clip(both * [1 + asymmetry, 1 - asymmetry], 0, 1)
        aus[number] = both


def _draw_single(rng: np.random.Generator, aus: _Sides, *, one_sided: float) -> None:
    number = int(rng.choice(list(ACTION_UNITS)))
    aus[number][:] = rng.uniform(0.15, 1)
    if ACTION_UNITS[number].sided and rng.random() < one_sided:
        aus[number][rng.integers(2)] = 0


def _draw_mix(rng: np.random.Generator, aus: _Sides) -> None:
    lower = np.array(list(_LOWER_WEIGHTS.values()))
    chosen = [
        *rng.choice(_UPPER, rng.integers(0, 5), replace=False),
        *rng.choice(list(_LOWER_WEIGHTS), rng.integers(0, 4), replace=False, p=lower / lower.sum()),
    ]
    for number in chosen:
        aus[int(number)][:] = rng.beta(1.2, 1.2)
    for pair in _OPPOSED:
        if aus[pair[0]].max() > 0 and aus[pair[1]].max() > 0:
            aus[pair[rng.integers(2)]][:] = 0
    if rng.random() < 0.3:
        for number, unit in ACTION_UNITS.items():
            if unit.sided and rng.random() < 0.5:
                aus[number][rng.integers(2)] *= rng.uniform(0, 0.6)


def _draw_free(rng: np.random.Generator, aus: _Sides, share: float) -> None:
    """Each AU by itself in that share of pictures; of the sided ones two fifths lean to one side.

    A third of those that lean are on that side alone. Fewer, and a reader takes all for even.
    """
    for number, unit in ACTION_UNITS.items():
        if rng.random() < share:
            aus[number][:] = rng.uniform(0.05, 1)
            if unit.sided and rng.random() < 0.4:
                aus[number][rng.integers(2)] *= max(0.0, rng.uniform(-0.3, 0.6))


def _part_lips_with_jaw(aus: _Sides) -> None:
    """A dropped jaw parts the lips, unless something holds them together."""
    held = max(aus[n].max() for n in (23, 24, 28)) >= 0.05
    jaw = max(aus[26].max(), aus[27].max())
    if jaw > 0.05 and not held:
        aus[25] = np.maximum(aus[25], min(1.0, 0.35 + 0.5 * jaw))
