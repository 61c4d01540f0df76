"""Contact sheets: people by expressions, each AU by intensity, random scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.renderer import Renderer, check_size
from synfer_core.facekit.scene import (
    DISTRIBUTIONS,
    Distribution,
    Pose,
    Scene,
    sample_scene,
    scene_for,
)
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES
from synfer_core.files import write_whole

Picture = NDArray[np.uint8]
KINDS = ("expressions", "aus", "random")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_INTENSITIES = (0.0, 1.25, 2.5, 3.75, 5.0)
_STRONG = 1.4  # presets are moderate; a sheet shows them strong


def draw_sheet(
    kind: str,
    *,
    size: int = 128,
    seed: int = 0,
    distribution: str = "calm",
    pack: Path | None = None,
) -> Picture:
    """A sheet of one of `KINDS`, sRGB (H, W, 3).

    Raises:
        RequestError: The kind or distribution is not known.
        PackError: There is no pack.
    """
    _check(kind, KINDS, "kind")
    _check(distribution, tuple(DISTRIBUTIONS), "distribution")
    check_size(size)
    renderer = Renderer.load(pack)
    if kind == "expressions":
        return expression_sheet(renderer, [seed * 8 + i for i in range(8)], size)
    if kind == "aus":
        return au_sheet(renderer, seed, size)
    return random_sheet(renderer, seed, size, DISTRIBUTIONS[distribution])


def save_sheet(picture: Picture, path: Path) -> Path:
    """Write a sheet; it appears whole or not at all.

    Raises:
        RequestError: The suffix is not that of a picture known here.
    """
    check_suffix(path)
    ok, data = cv2.imencode(path.suffix, picture[..., ::-1])
    if not ok:
        raise RequestError("the picture could not be encoded", field="out")
    write_whole(path, data.tobytes())
    return path


def check_suffix(path: Path) -> None:
    """Refuse a name that is not that of a picture known here.

    Raises:
        RequestError: Names the suffixes that are.
    """
    _check(path.suffix.lower(), SUFFIXES, "out")


def _check(value: str, allowed: tuple[str, ...], field: str) -> None:
    if value not in allowed:
        raise RequestError(f"{value!r} is not known", field=field, allowed=", ".join(allowed))


def expression_sheet(renderer: Renderer, identities: Sequence[int], size: int) -> Picture:
    """One row a person, one column an expression."""
    rows = []
    for number, identity in enumerate(identities):
        scenes = [
            scene_for(_strong(PROTOTYPES[e]), identity, number, expression=e) for e in EXPRESSIONS
        ]
        rows.append([_named(renderer.render(s, size), s.expression) for s in scenes])
    return _tile(rows)


def au_sheet(renderer: Renderer, identity: int, size: int) -> Picture:
    """Each AU from absent to maximum, two AUs a row."""
    units = [unit.key for unit in ACTION_UNITS.values()] + ["AUL12", "AUR14", "AUL2", "AUL43"]
    cells = []
    for key in units:
        for value in _INTENSITIES:
            scene = replace(scene_for({key: value}, identity, 1), pose=Pose())
            cells.append(_named(renderer.render(scene, size), f"{key} {value:g}"))
    wide = 2 * len(_INTENSITIES)
    return _tile([cells[i : i + wide] for i in range(0, len(cells), wide)])


def random_sheet(renderer: Renderer, seed: int, size: int, spec: Distribution) -> Picture:
    """Eight by six scenes as a data set would hold them."""
    cells = [renderer.render(_random_scene(seed, number, spec), size) for number in range(48)]
    return _tile([cells[i : i + 8] for i in range(0, 48, 8)])


def _random_scene(seed: int, number: int, spec: Distribution) -> Scene:
    rng = np.random.default_rng([seed, number])
    return sample_scene(rng, identity=int(rng.integers(1 << 31)), distribution=spec)


def _strong(aus: Mapping[str, float]) -> dict[str, float]:
    return {key: min(5.0, value * _STRONG) for key, value in aus.items()}


def _named(picture: Picture, name: str) -> Picture:
    out = picture.copy()
    scale = len(picture) / 340
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, name, (3, int(34 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width,
                    cv2.LINE_AA)  # fmt: skip
    return out


def _tile(rows: Sequence[Sequence[Picture]]) -> Picture:
    return np.concatenate([np.concatenate(list(row), 1) for row in rows], 0)
