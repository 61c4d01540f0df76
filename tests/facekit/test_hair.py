from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synfer_core.facekit.derive import hairline_height
from synfer_core.facekit.hair import groom
from synfer_core.facekit.hair import hairline as hairline_of
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.palette import HAIR_COLOURS, HAIR_STYLES
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.strands import brow_colour

GROWN = [style for style in HAIR_STYLES if style != "bald"]
COVERED = [style for style in GROWN if style not in ("buzz", "receding")]


@pytest.mark.parametrize("style", COVERED)
def test_no_bare_band_behind_the_hairline(renderer: Renderer, style: str) -> None:
    """Where hair grows close behind the forehead's hairline, a strand lies over the scalp."""
    derived = renderer._derived
    for seed in (1, 2):
        hair = draw_identity(seed, hair=style).hair
        grown = groom(hair, derived, 2.0)
        assert grown is not None
        scalp = derived["root"]
        depth = derived["root_height"] - hairline_of(hair, scalp)
        band = (depth > 0.8) & (depth < 2.2) & (scalp[:, 2] > 4)
        away, _ = cKDTree(grown.points.reshape(-1, 3)).query(scalp[band])
        assert (away < 0.5).mean() > 0.97


@pytest.mark.parametrize("style", GROWN)
def test_hair_is_fine_at_its_edge(renderer: Renderer, style: str) -> None:
    hair = draw_identity(3, hair=style).hair
    grown = groom(hair, renderer._derived, 1.0)
    assert grown is not None
    root = grown.points[:, 0]
    depth = root[:, 1] - hairline_height(root[:, 0], root[:, 2]) - hairline_of(hair, root)
    edge, inside = grown.body[depth < 0.2], grown.body[depth > 2]
    assert len(edge) > 20
    assert edge.mean() < 0.55
    assert inside.min() > 0.95


@pytest.mark.parametrize("colour", HAIR_COLOURS)
def test_brows_follow_the_hair(colour: str) -> None:
    for seed in range(20):
        person = draw_identity(seed, hair_colour=colour)
        brow, hair = brow_colour(person), np.array(person.hair.rgb)
        hue, of_hair = brow / brow.sum(), hair / hair.sum()
        assert np.abs(hue - of_hair).max() < 0.05
        assert brow.mean() < 0.92 * hair.mean() + 0.003


def test_brows_are_darker_than_skin_unless_grey() -> None:
    brows, skins = zip(
        *((brow_colour(p).mean(), p.skin.linear.mean())
          for p in (draw_identity(s, hair_colour="blonde") for s in range(40))),
        strict=True,
    )  # fmt: skip
    assert (np.array(brows) < 0.5 * np.array(skins)).all()
    white, black = (brow_colour(draw_identity(1, hair_colour=c)) for c in ("white", "black"))
    assert white.mean() > 10 * black.mean()
    assert np.ptp(white) < 0.2 * white.mean()
