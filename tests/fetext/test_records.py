"""What becomes of single images, good and bad."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from synfer_core.annotation import AUReader
from synfer_core.fetext.labels import ByReader
from synfer_core.fetext.records import NO_UPSCALER, Record, Rejection, Tools
from synfer_core.fetext.sources import Item
from synfer_core.fetext.upscale import Network
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.report import Pixels
from tests.faces.photo import needs_landmarker, portrait

pytestmark = needs_landmarker


def item(image: Pixels, **fields: str) -> Item:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return Item("a.png", data=buffer.getvalue(), **fields)


def rejected(tools: Tools, given: Item) -> Rejection:
    made = tools.make(5, given)
    assert isinstance(made, Rejection)
    assert (made.index, made.key) == (5, "a.png")
    return made


def test_a_good_image_becomes_a_record(tools: Tools) -> None:
    made = tools.make(0, item(portrait(200)))
    assert isinstance(made, Record)
    assert made.image.shape == (96, 96, 3)
    assert (made.width, made.upscaler) == (200, NO_UPSCALER)
    assert len(made.labels.aus) == 36


def test_a_label_that_is_none_is_refused_before_the_file_is_read(tools: Tools) -> None:
    made = rejected(tools, Item("a.png", refusal="AffectNet's label is 8 (none)"))
    assert (made.reason, made.message) == ("label", "AffectNet's label is 8 (none)")


def test_a_missing_file_is_unreadable(tools: Tools) -> None:
    assert rejected(tools, Item("a.png")).reason == "unreadable"


def test_a_long_strip_is_looked_at_like_any_other(tools: Tools) -> None:
    strip = np.random.default_rng(0).integers(0, 256, (32, 4000, 3), np.uint8)
    assert rejected(tools, item(strip)).reason == "no_face"


def test_models_that_fail_are_named_and_do_not_end_the_run(tools: Tools) -> None:
    broken = Network("broken", "", lambda image: image * torch.nan, "cpu")
    made = rejected(replace(tools, upscaler=broken), item(portrait(80)))
    assert made.reason == "failed"
    assert "finite pixels" in made.message


def test_a_reader_gone_wrong_does_not_end_the_run(tools: Tools) -> None:
    net = Classifier(
        ClassifierConfig("cnn", 32, widths=(8,), depths=(1,), expressions=False)
    ).eval()
    assert net.aus is not None
    with torch.no_grad():
        net.aus.bias.fill_(torch.nan)
    labeller = ByReader(AUReader(net, "broken"), "")
    made = rejected(replace(tools, labeller=labeller), item(portrait(120)))
    assert (made.reason, made.message) == ("failed", "read no finite intensities")


@pytest.mark.parametrize("size", [64, 300])
def test_the_same_image_gives_the_same_record(tools: Tools, size: int) -> None:
    first, second = (tools.make(0, item(portrait(size))) for _ in range(2))
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert first.row(90) == second.row(90)
