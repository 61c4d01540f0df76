"""A face of 512 px passes the API and comes back edited, on a tiny model around a reference."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from synfer_core import samples
from synfer_core.annotation import Annotator
from synfer_core.editing import reference_of
from synfer_core.faces.images import decode_image, read_image
from synfer_core.models import exact
from synfer_core.models.text import shared_encoder
from synfer_core.reference import model
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.model import ReferenceModel
from synfer_core.synthesizer import Synthesizer
from tests.app.test_jobs import wait_for
from tests.reference import tiny
from tests.serving import served


@pytest.fixture
def synthesizer(tmp_path: Path) -> Synthesizer:
    denoiser, adapter = tiny.pair()
    model.save_prior(tiny.prior(), tmp_path / model.PRIOR)
    model.save_denoiser(denoiser, tmp_path / model.DENOISER)
    model.save_adapter(adapter, tmp_path / model.ADAPTER)
    source = exact.find(128)
    around = ReferenceBackbone(ReferenceModel.load(tmp_path), source, shared_encoder())
    return Synthesizer({"builtin": around, "facekit": source}, Annotator(None, None, None))


def test_a_render_of_512_px_passes_as_a_reference(synthesizer: Synthesizer) -> None:
    face = read_image(samples.FOLDER / samples.find("freya").file)
    assert face.shape == (512, 512, 3)
    fields = {"reference": reference_of(face), "aus": {"AU12": 3.0}, "steps": 2}
    with (
        served(synthesizer, Settings()) as server,
        httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as client,
    ):
        answer = client.post("/jobs", json=fields)
        assert answer.status_code == 202, answer.text
        wait_for(lambda: all(job.state.final for job in server.queue.jobs()))
        number = answer.json()["id"]
        image = client.get(f"/jobs/{number}/image")
        assert image.status_code == 200, client.get(f"/jobs/{number}").text
    assert decode_image(image.content).shape == face.shape
