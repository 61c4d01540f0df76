"""The regions of the face in a picture, as buttons that bring up their sliders. Markup only."""

from __future__ import annotations

from typing import NamedTuple


class Region(NamedTuple):
    """An area of the picture.

    Attributes:
        group: The group of sliders it brings up, an `ActionUnit.region`.
        side: ``L`` or ``R``, the subject's own; empty in the middle.
        name: What it is called.
        corners: As SVG takes them, in hundredths of the picture from its left and its top.
    """

    group: str
    side: str
    name: str
    corners: str


# Drawn around the 68 landmarks of FaceKit's mean face, from the front in the crop of calm scenes
# (`synfer_core.facekit.regions`), to which photos are aligned too. The subject's right, on the
# left of the picture, is drawn; the left mirrors it.
_BROW = "18,32 19,26 24,21 30.5,19 38,19 46.5,21.5 47,26.5 38,27.5 30,28 24,29.5"
_EYE = "23.5,37 27,33.5 34,31.5 41,33.5 44,38 40.5,41.5 34,42.8 27,41.5"
_CHEEK = "17.5,46 28,45.5 37.5,46.5 41,50 37.5,57 36.5,63 32,69 29,76 24,75 19.5,65"
_NOSE = "46.5,33 53.5,33 56,46 60.5,56 59,62.5 50,64 41,62.5 39.5,56 44,46"
_MOUTH = "33.5,72.5 40,67 50,66 60,67 66.5,72.5 60,78.3 50,79.8 40,78.3"
_JAW = "31,80 38,81.5 50,83 62,81.5 69,80 66,88 58,93 50,94.5 42,93 34,88"


def _mirrored(corners: str) -> str:
    places = (corner.split(",") for corner in corners.split())
    return " ".join(f"{100 - float(x):g},{y}" for x, y in places)


def _pair(group: str, corners: str) -> tuple[Region, Region]:
    """Both sides, the one on the picture's left first."""
    right = Region(group, "R", f"Right {group}", corners)
    return right, Region(group, "L", f"Left {group}", _mirrored(corners))


REGIONS: tuple[Region, ...] = (
    *_pair("brow", _BROW),
    *_pair("eye", _EYE),
    Region("nose", "", "Nose", _NOSE),
    *_pair("cheek", _CHEEK),
    Region("mouth", "", "Mouth", _MOUTH),
    Region("jaw", "", "Jaw and chin", _JAW),
)
"""From top to bottom, as the groups of sliders stand."""


def regions_html() -> str:
    """The regions, laid over the picture."""
    areas = "".join(_area_html(region) for region in REGIONS)
    return (
        '<svg class="regions" viewBox="0 0 100 100" role="group" '
        f'aria-label="Regions of the face">{areas}</svg>'
        '<span class="region-name" aria-hidden="true" hidden></span>'
    )


def _area_html(region: Region) -> str:
    return (
        f'<g role="button" tabindex="0" data-group="{region.group}" data-side="{region.side}" '
        f'data-name="{region.name}" aria-label="{region.name}: show its sliders">'
        f'<polygon points="{region.corners}"/></g>'
    )
