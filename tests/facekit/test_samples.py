"""The samples that ship are what the renderer draws from their descriptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core import samples as shipped
from synfer_core.errors import RequestError
from synfer_core.facekit import samples
from synfer_core.facekit.renderer import Renderer
from synfer_core.faces.images import read_image


@pytest.mark.parametrize("place", range(len(samples.PEOPLE)))
def test_descriptions_and_codes_are_those_that_ship(place: int) -> None:
    sample, scene = samples.scene_of(place)
    assert sample == shipped.shipped()[place]
    assert max(scene.aus) == 0


def test_descriptions_decide_what_is_seen() -> None:
    scenes = {name: samples.scene_of(i)[1] for i, (name, _) in enumerate(samples.PEOPLE)}
    assert scenes["ada"].identity.hair.colour == "red"
    assert scenes["emeka"].identity.beard == "short beard"
    assert scenes["goran"].styling.glasses != "none"
    assert scenes["hana"].styling.glasses == "none"


def test_a_picture_is_drawn_again_as_it_ships(renderer: Renderer) -> None:
    sample, scene = samples.scene_of(0)
    drawn = renderer.render(scene, 512).astype(int)
    stored = read_image(shipped.FOLDER / sample.file)
    assert np.abs(drawn - stored).mean() < 1


def test_a_missing_folder_is_named(pack_path: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere"):
        samples.write(tmp_path / "nowhere", pack=pack_path)
