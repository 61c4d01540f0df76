"""The people of the built-in samples, and their pictures.

What a sample shows is said once, in words: the traits are read off its description, and the seed
decides the rest.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from synfer_core.errors import RequestError
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.identity import TRAITS, draw_identity, identity_code
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, scene_for
from synfer_core.files import write_whole
from synfer_core.samples import LIST, Sample, to_json

FIRST_IDENTITY = 9_500_000_000
"""Seeds of the people, from here on; no data set has been drawn with these."""

PEOPLE: tuple[tuple[str, str], ...] = (
    ("ada", "Young woman with fair skin and long red hair, studio lighting"),
    ("bayo", "Young man with deep brown skin and a black buzz cut, soft window light"),
    ("chen", "Middle-aged man with light skin and short black hair, overcast light"),
    ("dina", "Middle-aged woman with tan skin and long wavy dark brown hair, studio lighting"),
    ("emeka", "Older man with very deep skin, receding grey hair and a short beard, side light"),
    ("freya", "Older woman with very fair skin and a white bob, overcast light"),
    ("goran", "Middle-aged man with medium skin, short brown hair and glasses, warm indoor light"),
    ("hana", "Young woman with brown skin and a black bob with bangs, overcast light"),
)
"""Names and descriptions; place and name together fix a picture, so append, do not reorder."""


def scene_of(place: int) -> tuple[Sample, Scene]:
    """The sample at a place of `PEOPLE`, neutral, and the scene to render for it."""
    name, alt = PEOPLE[place]
    traits = attributes_in(alt)
    fixed = {trait: value for trait, value in traits.items() if trait in TRAITS}
    person = draw_identity(FIRST_IDENTITY + place, **fixed)
    # A frontal head and the calm set of stimuli: pose and background come with the seed.
    scene = scene_for({}, person, place, traits={"glasses": "none", **traits})
    code = tuple(round(float(value), 4) for value in identity_code(person))
    return Sample(name, f"{alt}, neutral face", {}, code), scene


def write(
    folder: Path,
    *,
    size: int = 512,
    pack: Path | None = None,
    tell: Callable[[Path], None] = lambda path: None,
) -> None:
    """Render all samples into a folder, with their list.

    Raises:
        RequestError: The folder cannot be written.
        PackError: There is no data pack.
    """
    if not folder.is_dir():
        raise RequestError("is no folder", field=str(folder), allowed="an existing folder")
    renderer = Renderer.load(pack)
    samples = []
    for place in range(len(PEOPLE)):
        sample, scene = scene_of(place)
        write_whole(folder / sample.file, _png(renderer, scene, size))
        samples.append(sample)
        tell(folder / sample.file)
    write_whole(folder / LIST, to_json(tuple(samples)))


def _png(renderer: Renderer, scene: Scene, size: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(renderer.render(scene, size)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
