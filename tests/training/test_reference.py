from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synfer_core.errors import DataError
from synfer_core.facs import AU_SLOTS
from synfer_core.models.text import shared_encoder
from synfer_core.reference.gaussian import Guess
from synfer_core.reference.latents import LatentConfig
from synfer_core.reference.sampling import noise, plain, sampled
from synfer_core.reference.warp import resized
from synfer_core.training.coded_pairs import CodedPairs, code, read, write
from synfer_core.training.groups import PairBatch, pairs_in
from synfer_core.training.reference import (
    Checks,
    ReferenceTraining,
    draw,
    fresh,
    importance,
    reference_loss,
)
from synfer_core.training.reference_figures import by_region, explained
from synfer_core.training.reference_fit import FitSettings, fit_batches, steepness
from synfer_core.training.tints import Tints
from tests.reference import tiny

STILL = torch.tensor([True, True, True])
JAW = AU_SLOTS.index("AU26")
SMALL = FitSettings(
    LatentConfig(margin=1, rows=16, flow=2, appearance=4, code=2, places=tuple(range(128))),
    appearance=60,
    components=2,
    rank=8,
    ridge=(1e-3,),
    crossed=(10.0,),
    thinning=1,
)


def _batches(patterns: Tensor) -> Iterator[PairBatch]:
    """Pictures that AU1 changes, each side its own, and the jaw moves."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        aus = torch.zeros(12, 36)
        aus[:, :2] = torch.rand(12, 2, generator=generator)
        reference = resized(0.2 * torch.randn(12, 3, 4, 4, generator=generator), 128)
        flow = torch.zeros(12, 2, 128, 128)
        aus[:, JAW] = torch.rand(12, generator=generator)
        flow[:, 1, 96:128, 48:80] = aus[:, JAW, None, None]
        target = reference + torch.einsum("bi,ichw->bchw", aus[:, [0, 1, JAW]], patterns)
        yield PairBatch(reference, target, flow, aus, torch.zeros(12, 36), ("",) * 12)


def _patterns() -> Tensor:
    patterns = torch.zeros(3, 3, 128, 128)
    patterns[0, :, 40:60, 30:60] = 0.5
    patterns[1] = patterns[0].flip(-1)
    patterns[2, :, 96:128, 48:80] = 0.3
    return patterns


def test_the_closed_form_finds_what_units_paint_on_other_people() -> None:
    prior = fit_batches(SMALL, lambda: _batches(_patterns()))
    *_, batch = _batches(_patterns())
    true = prior.latents.encode(*batch.pair)
    guess = prior.form.guess(
        prior.form.person(prior.latents.look(batch.reference), batch.still), batch.aus
    )
    assert len(prior.latents.config.places) < 60
    assert explained(guess.mean, true) > 0.9
    assert float(steepness(prior.latents, lambda: [batch]).min()) > 0


def _pairs(count: int = 40) -> CodedPairs:
    generator = torch.Generator().manual_seed(2)
    sizes = (tiny.CONFIG.numbers, tiny.CONFIG.code, tiny.CONFIG.code)
    latents, code, moved = (torch.randn(count, 2, 4, n, generator=generator).half() for n in sizes)
    aus = torch.rand(count, 36, generator=generator).half()
    states = torch.randn(6, 48, 384, generator=generator).half()
    mask, worded = torch.ones(6, 48, dtype=torch.bool), torch.arange(0, 36, 6)
    still = torch.rand(count, generator=generator) < 0.5
    return CodedPairs(latents, code, moved, aus, still, states, mask, worded)


def test_pairs_are_coded_with_the_words_of_some(tmp_path: Path) -> None:
    batch = next(_batches(_patterns()))
    prior = tiny.prior()
    pairs = code(prior, [batch.at(torch.arange(3))], shared_encoder)
    assert len(pairs) == 3
    assert pairs.worded.tolist() == [0]
    assert bool(pairs.still.all())
    true = prior.latents.encode(*batch.pair)[:3]
    assert torch.allclose(pairs.latents.float(), true, atol=2e-2)
    both = CodedPairs.cat([pairs, pairs])
    assert both.worded.tolist() == [0, 3]
    write(both, tmp_path / "coded.safetensors")
    assert torch.equal(read(tmp_path / "coded.safetensors").latents, both.latents)


CONFIG = ReferenceTraining(batch=16, worded=0.25)
TINTS = Tints.of(tiny.latents())


def test_units_that_are_not_told_are_not_in_the_guess_either() -> None:
    form = tiny.prior().form
    config = ReferenceTraining(batch=16, worded=0.25, words_alone=1.0, nothing=0.0)
    batch = draw(_pairs(), form, TINTS, config, torch.Generator().manual_seed(0))
    assert batch.acting.tolist() == [0.0] * 4 + [1.0] * 12
    mean, code = batch.context.guess.mean, tiny.CONFIG.code
    assert not mean[:4].any()
    assert bool(mean[4:].any())
    seen = batch.context.seen
    assert torch.equal(seen[:4, ..., :code], seen[:4, ..., code:])
    assert batch.context.words is not None
    assert batch.context.words.rows.tolist() == [0, 1, 2, 3]


def test_training_brings_the_loss_down() -> None:
    torch.manual_seed(0)
    prior, pairs = tiny.prior(), _pairs()
    pair = fresh(prior, width=16, hidden=16, blocks=2, mixing=4, gate=20, words=8, heads=2)
    weights = importance(prior, torch.ones(4), CONFIG)
    optimiser = torch.optim.AdamW(pair.parameters(), 5e-3)

    def loss() -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return reference_loss(pairs, prior.form, TINTS, pair, weights, CONFIG, generator)

    first = float(loss().detach())
    for _ in range(30):
        optimiser.zero_grad()
        now = loss()
        now.backward()
        optimiser.step()
    assert float(now.detach()) < 0.8 * first


def test_an_untrained_denoiser_is_the_guess() -> None:
    prior = tiny.prior()
    pair = fresh(prior, width=16, hidden=16, blocks=2, mixing=4, gate=20, words=8, heads=2)
    *_, batch = _batches(_patterns())
    aus = batch.aus[:3]
    code = prior.latents.look(batch.reference[:3])
    person = prior.form.person(code, STILL[: len(code)])
    guess = prior.form.guess(person, aus)
    checks = Checks(prior, batch.at(torch.arange(3)), guess.mean, _context(guess, code, person))
    found = checks.figures(pair)
    assert found["flow_mean"] > 0.99
    assert set(by_region(batch.target, batch.target)) == {"face", "mouth", "eyes"}


def _context(guess: Guess, code: Tensor, person: Tensor):  # type: ignore[no-untyped-def]
    from synfer_core.reference.denoiser import ReferenceContext

    return ReferenceContext(guess, torch.cat([code, code], -1), person)


def test_more_error_is_fewer_decibels() -> None:
    exact = torch.zeros(2, 3, 128, 128)
    near, far = by_region(exact + 0.02, exact), by_region(exact + 0.2, exact)
    for region, decibels in near.items():
        assert abs(decibels - far[region] - 20) < 0.1


def test_a_folder_without_groups_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        next(pairs_in(tmp_path))
    assert caught.value.field == str(tmp_path)


def test_sampling_is_the_projects_own() -> None:
    prior = tiny.prior()
    denoiser, _ = tiny.pair()
    code = prior.latents.look(torch.rand(1, 3, 128, 128))
    person = prior.form.person(code, STILL[: len(code)])
    context = _context(prior.form.guess(person, torch.zeros(1, 36)), code, person)
    start = noise(1, prior.latents.shape, seed=1)
    one, other = (sampled(plain(denoiser, context), start, 3) for _ in range(2))
    assert torch.equal(one, other)
