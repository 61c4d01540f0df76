from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core.evaluation import latency
from synfer_core.evaluation.latency import Latency, Peer, PeerSizes
from synfer_core.synthesizer import Synthesizer

TINY_PEER = PeerSizes((32, 32, 64, 64), 2, 16, (32, 32), 16)


def test_the_peer_pays_two_calls_a_step_and_one_decode() -> None:
    assert Peer(unet_call=2.0, decode=5.0).image(20) == 85.0


def test_the_defaults_are_as_large_as_stable_diffusion() -> None:
    unet, decoder = latency.build_unet(PeerSizes()), latency.build_autoencoder(PeerSizes())
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    assert sum(p.numel() for p in decoder.parameters()) == 83_653_863


def test_a_tiny_peer_is_timed() -> None:
    peer = latency.measure_peer(TINY_PEER)
    assert 0 < peer.unet_call < 10
    assert 0 < peer.decode < 10


def test_the_model_is_timed_stage_by_stage(tiny_model_folder: Path) -> None:
    measured = latency.measure(Synthesizer.load(tiny_model_folder), runs=3, peer=None)
    figures = measured.to_dict()
    assert figures["report_seconds_median"] >= figures["image_seconds_median"] > 0
    assert list(figures["stages"]) == ["reference", "conditioning", "denoising", "decoding"]
    assert sum(stage["share"] for stage in figures["stages"].values()) == pytest.approx(1)
    assert figures["peer_image_seconds"] is None
    assert figures["runs"] == 3
    json.dumps(figures, allow_nan=False)


def test_the_figures_are_medians() -> None:
    times = Latency(
        (3.0, 1.0, 2.0), (5.0, 4.0, 3.0), (4.0, 2.0, 9.0), {"denoising": 1.0}, 20, Peer(2.0, 5.0)
    )
    figures = times.to_dict()
    assert figures["image_seconds_median"] == 2.0
    assert figures["new_image_seconds_median"] == 4.0
    assert figures["report_seconds_median"] == 4.0
    assert figures["peer_image_seconds"] == 85.0
