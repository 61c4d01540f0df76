"""One synthesizer in several threads: each gets what it would get alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synfer_core import editing
from synfer_core.models import feranno, sd_adapter
from synfer_core.models.added import Added
from synfer_core.models.feranno import FERAnno, FERAnnoConfig
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.report import Annotation, Pixels, Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.app.conftest import write_readers
from tests.models import tiny_ip_adapter, tiny_sd

THREADS, ROUNDS = 4, 2
SMILE = {"aus": {"AU12": 4.0}, "text": "a smiling woman", "steps": 2, "seed": 3}
GUIDED = {"expression": "happiness", "guidance": {"semantic": 2.0, "text": 2.0}}


def in_miniature(image: Pixels, size: int) -> tuple[Pixels, tuple[str, ...]]:
    """The tiny models paint noise, in which nobody finds a face to align."""
    step = max(1, len(image) // size)
    return np.ascontiguousarray(image[::step, ::step][:size, :size]), ()


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    """The built-in model with its readers, and Stable Diffusion with all that goes into it."""
    place = tmp_path_factory.mktemp("threads")
    models = Path(shutil.copytree(tiny_model_folder, place / "builtin"))
    write_readers(models)
    where = str(tiny_sd.write(place / "model"))
    sd_adapter.save(tiny_sd.slot_adapter(), place / "units.safetensors")
    face = tiny_ip_adapter.write(place / "face", "plus")
    added = Added("sd", where, place / "units.safetensors", face=face)
    model = StableDiffusion.load(added)
    found = model.probe().features(torch.zeros(1, *model.latent_shape), steps=20, taps=(0,))
    channels = tuple((side, tensor.shape[1]) for side, tensor in found.items())
    config = FERAnnoConfig(channels, model.fingerprint(), latents=4, width=16, blocks=1, heads=2)
    feranno.save(FERAnno(config), place / "feranno.safetensors", temperature=1.0)
    own = Added("sd", where, added.adapter, feranno=place / "feranno.safetensors", face=face)
    return Synthesizer.load(models, [own])


def told(made: Result | Annotation) -> tuple[Any, ...]:
    """All that a call answers, but how long it took."""
    said = made.to_dict()
    said.pop("seconds", None)
    maps = {name: one.tobytes() for name, one in made.attention.mass.items()}
    return made.image.tobytes(), maps, json.dumps(said, sort_keys=True)


def calls(synthesizer: Synthesizer) -> list[Callable[[], Result | Annotation]]:
    """Annotating, making and editing on both backbones, no two alike."""
    faces = [editing.square_of(f"sample:{name}")[::4, ::4] for name in ("ada", "bayo", "chen")]
    small = editing.reference_of(editing.square_of("sample:dina")[::4, ::4].copy())
    wanted = [
        SMILE,
        {**SMILE, **GUIDED},
        {**SMILE, "reference": small, "aus": {"AU4": 3.0}},
        {**SMILE, "backbone": "sd"},
        {**SMILE, "backbone": "sd", "text": "an old man", "identity_image": small},
        {**SMILE, "backbone": "sd", "reference": small},
    ]

    def annotates(face: Pixels) -> Callable[[], Annotation]:
        return lambda: synthesizer.annotate(np.ascontiguousarray(face))

    def makes(fields: dict[str, Any]) -> Callable[[], Result]:
        return lambda: synthesizer.generate(Recipe.parse(fields))

    return [*map(annotates, faces), *map(makes, wanted)]


def test_four_threads_get_what_one_gets(
    synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synfer_core.synthesizer.prepare", in_miniature)
    todo = calls(synthesizer)
    alone = [told(call()) for call in todo]
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda call: told(call()), todo * ROUNDS))
    other = {i % len(todo) for i, made in enumerate(together) if made != alone[i % len(todo)]}
    assert not other
