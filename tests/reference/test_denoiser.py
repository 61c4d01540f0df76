from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from synfer_core.facs import AU_SLOTS, MIRRORED_SLOTS
from synfer_core.reference.denoiser import ReferenceContext, Words
from synfer_core.reference.sampling import noise, plain, sampled
from tests.reference import tiny

STILL = torch.tensor([True, False, True])
SHAPE = (2, 4, tiny.CONFIG.numbers)


def _context(aus: Tensor, reference: Tensor) -> ReferenceContext:
    prior = tiny.prior()
    code = prior.latents.look(reference)
    person = prior.form.person(code, STILL[: len(code)])
    guess = prior.form.guess(person, aus)
    moved = prior.latents.look_moved(reference, guess.mean)
    return ReferenceContext(guess, torch.cat([code, moved], -1), person)


def _aus(count: int = 2) -> Tensor:
    return torch.rand(count, len(AU_SLOTS), generator=torch.Generator().manual_seed(7))


def test_a_mirrored_face_with_exchanged_sides_gets_the_mirrored_answer() -> None:
    denoiser, adapter = tiny.pair()
    adapter.inject(denoiser)
    aus, reference, noisy = _aus(), torch.rand(2, 3, 128, 128), torch.randn(2, *SHAPE)
    words = Words(torch.randn(1, 5, 384), torch.ones(1, 5, dtype=torch.bool), torch.tensor([1]))
    steps = torch.tensor([999, 400])
    one = replace(_context(aus, reference), units=adapter(aus, torch.ones(2)), words=words)
    turned = aus[:, list(MIRRORED_SLOTS)]
    other = replace(
        _context(turned, reference.flip(-1)), units=adapter(turned, torch.ones(2)), words=words
    )
    there, back = denoiser(noisy, steps, one), denoiser(noisy.flip(1), steps, other)
    assert torch.allclose(there, back.flip(1), atol=1e-3)


def test_units_act_only_while_the_adapter_is_in() -> None:
    denoiser, adapter = tiny.pair()
    aus, noisy, steps = _aus(), torch.randn(2, *SHAPE), torch.tensor([500, 500])
    bare = _context(aus, torch.rand(2, 3, 128, 128))
    asked = replace(bare, units=adapter(aus, torch.ones(2)))
    silent = replace(bare, units=adapter(aus, torch.zeros(2)))
    before = denoiser(noisy, steps, bare)
    adapter.inject(denoiser)
    assert not torch.allclose(denoiser(noisy, steps, asked), before)
    assert torch.allclose(denoiser(noisy, steps, silent), before, atol=1e-6)
    adapter.eject(denoiser)
    assert torch.equal(denoiser(noisy, steps, asked), before)


def test_a_face_that_does_nothing_is_asked_for_and_not_left_open() -> None:
    denoiser, adapter = tiny.pair()
    adapter.inject(denoiser)
    nothing = torch.zeros(1, len(AU_SLOTS))
    bare, steps = _context(nothing, torch.rand(1, 3, 128, 128)), torch.tensor([500])
    noisy = torch.randn(1, *SHAPE)
    still = replace(bare, units=adapter(nothing, torch.ones(1)))
    assert not torch.allclose(denoiser(noisy, steps, still), denoiser(noisy, steps, bare))


def test_words_reach_only_the_samples_that_have_them() -> None:
    denoiser, _ = tiny.pair()
    noisy, steps = torch.randn(2, *SHAPE), torch.tensor([500, 500])
    bare = _context(_aus(), torch.rand(2, 3, 128, 128))
    words = Words(torch.randn(1, 5, 384), torch.ones(1, 5, dtype=torch.bool), torch.tensor([1]))
    without, with_words = (denoiser(noisy, steps, replace(bare, words=w)) for w in (None, words))
    assert torch.allclose(without[0], with_words[0], atol=1e-6)
    assert not torch.allclose(without[1], with_words[1])


def test_sampling_with_nothing_learned_gives_the_guess() -> None:
    denoiser, _ = tiny.pair()
    torch.nn.init.zeros_(denoiser.output.weight)
    torch.nn.init.zeros_(denoiser.output.bias)
    context = _context(_aus(), torch.rand(2, 3, 128, 128))
    guess = replace(context.guess, deviation=torch.full(SHAPE[1:], 1e-3))
    denoise = plain(denoiser, replace(context, guess=guess))
    for steps in (1, 4):
        made = sampled(denoise, noise(2, SHAPE, seed=1), steps)
        assert torch.allclose(made, guess.mean, atol=2e-2)
