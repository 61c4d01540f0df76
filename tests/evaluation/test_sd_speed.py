"""The bench of a guided step, on a U-Net in miniature."""

from __future__ import annotations

from synfer_core.evaluation import sd_speed
from synfer_core.evaluation.latency import PeerSizes


def test_a_guided_step_is_timed() -> None:
    sizes = PeerSizes(widths=(32, 32, 64, 64), heads=4, token_width=32, latent_size=8)
    figures = sd_speed.measure(sizes, steps=2).to_dict()
    assert len(figures["step_seconds"]) == 2
    assert figures["step_seconds_median"] > 0
    assert figures["step_processor_seconds_median"] > 0
    assert 0.1 < figures["peak_gib"] < 24
    assert figures["adapter_weights"] > 1000
    text = "\n".join(sd_speed.lines(figures))
    assert "one guided step" in text
    assert "float32" in text
