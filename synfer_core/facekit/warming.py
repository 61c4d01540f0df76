"""Everything that the renderer makes once on a machine, made ahead of the first face."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synfer_core.facekit.renderer import SIZES, Renderer
from synfer_core.facekit.scene import CALM, WIDE, sample_scene
from synfer_core.facs import AU_SLOTS

PEOPLE = 12
"""Enough that every kernel is called, whatever hair, beard, glasses and background it is for."""


def warm(pack: Path | None = None) -> Renderer:
    """Compile the kernels and derive what a pack needs, so that both are kept on this machine.

    Args:
        pack: As `Renderer.load` takes it.

    Returns:
        The renderer, which has drawn some people.

    Raises:
        PackError: There is no pack, or it is not in the expected form.
    """
    renderer = Renderer.load(pack)
    for seed in range(PEOPLE):
        distribution = WIDE if seed % 2 else CALM
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng, identity=seed, distribution=distribution)
        renderer.render(scene, SIZES[0])
        renderer.landmarks(scene, SIZES[0])
    renderer.au_region(AU_SLOTS[0], SIZES[0])
    return renderer
