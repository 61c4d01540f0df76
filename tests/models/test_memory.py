"""The rule by which a model is fitted into memory."""

from __future__ import annotations

import pytest

from synfer_core.errors import CapacityError
from synfer_core.models.memory import Plan, choose, free_bytes, plans

SD15 = 1_066_000_000
GIB = 1 << 30


@pytest.mark.parametrize(
    ("device", "free", "plan"),
    [
        ("cpu", 24, Plan("float32")),
        ("cpu", 5.7, Plan("float32", slice_attention=True, tile_decoder=True)),
        ("cpu", 4, Plan("bfloat16", slice_attention=True, tile_decoder=True)),
        ("cuda", 24, Plan("float16")),
        ("cuda", 3.0, Plan("float16", slice_attention=True, tile_decoder=True)),
        ("cuda", 2.7, Plan("float16", slice_attention=True, tile_decoder=True, offload=True)),
    ],
)
def test_the_fastest_plan_that_fits_is_chosen(device: str, free: float, plan: Plan) -> None:
    assert choose(device, int(free * GIB), SD15, 64) == plan


def test_larger_pictures_slice_attention_before_the_autoencoder_is_tiled() -> None:
    assert choose("cpu", int(11.5 * GIB), SD15, 96) == Plan("float32", slice_attention=True)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_no_plan_needs_more_than_the_one_before(device: str) -> None:
    needs = [plan.need(SD15, 64) for plan in plans(device)]
    assert needs == sorted(needs, reverse=True)
    assert needs[-1] < needs[0]


def test_too_little_memory_is_said_in_numbers() -> None:
    with pytest.raises(CapacityError, match=r"needs about 2\.6 GiB, and 1\.0 GiB are free"):
        choose("cuda", GIB, SD15, 64)


def test_this_machine_has_memory() -> None:
    assert 0 < free_bytes("cpu") < 1 << 50
