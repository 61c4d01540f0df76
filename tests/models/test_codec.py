"""The codec: bases in closed form, and a decoder that starts from them."""

from __future__ import annotations

from pathlib import Path

import torch

from synfer_core.models import codec as codecs
from synfer_core.models.codec import BlockBasis, Codec
from tests.conftest import TINY_CODEC


def _images(count: int, rank: int = 6) -> torch.Tensor:
    """Images that a few components a block explain fully."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(rank, 3 * 64 * 64, generator=generator)
    weights = torch.randn(count, rank, generator=generator)
    return (weights @ patterns).view(count, 3, 64, 64) * 0.1


def test_a_basis_of_enough_components_is_lossless() -> None:
    basis = BlockBasis(4, 8)
    images = _images(900)
    basis.fit(images)
    assert torch.allclose(basis.decode(basis.encode(images[:5])), images[:5], atol=1e-3)


def test_bases_are_orthonormal_and_latents_near_unit_variance() -> None:
    basis = BlockBasis(4, 8)
    images = torch.randn(900, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    basis.fit(images)
    gram = basis.basis.transpose(1, 2) @ basis.basis
    assert torch.allclose(gram, torch.eye(8).expand_as(gram), atol=1e-4)
    assert 0.8 < basis.encode(images).std() < 1.2


def test_latents_keep_the_order_of_places() -> None:
    basis = BlockBasis(4, 8)
    basis.fit(torch.randn(900, 3, 64, 64, generator=torch.Generator().manual_seed(2)))
    image = basis.mean.view(4, 4, 3, 16, 16).permute(2, 0, 3, 1, 4).reshape(1, 3, 64, 64).clone()
    image[:, :, 16:32, 48:64] += 1
    moved = basis.encode(image).abs().sum(1)[0] > 1e-4
    assert moved.nonzero().tolist() == [[1, 3]]


def test_an_untrained_decoder_is_the_linear_reconstruction() -> None:
    codec = Codec(TINY_CODEC)
    codec.linear.fit(_images(900))
    latents = codec.encode(_images(3))
    assert torch.allclose(codec.decode(latents), codec.linear.decode(latents), atol=1e-5)


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    codec = Codec(TINY_CODEC)
    codec.linear.fit(_images(900))
    codecs.save(codec, tmp_path / "codec.safetensors")
    first, sha256 = codecs.load(tmp_path / "codec.safetensors")
    second, again = codecs.load(tmp_path / "codec.safetensors")
    assert sha256 == again
    assert first.config == TINY_CODEC
    assert first.linear.fingerprint() == second.linear.fingerprint()
    latents = first.encode(_images(2))
    assert torch.equal(first.decode(latents), second.decode(latents))
