"""Stage R1, in closed form: bases of motion and appearance, and the guess around a reference.

Nothing here is trained by descent: principal components of each place's flow, of what the warped
reference lacks, and of the reference itself; then ridge regression of the latents (see
`reference.closed_form`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from synfer_core.reference.bases import Basis, Moments, shared_out
from synfer_core.reference.closed_form import (
    UNITS,
    ClosedForm,
    ClosedFormConfig,
    features,
    flat_halves,
)
from synfer_core.reference.latents import LatentConfig, Latents
from synfer_core.reference.model import Prior, save_prior
from synfer_core.reference.places import cut
from synfer_core.reference.units import sides
from synfer_core.reference.warp import UNIT, resized, warp
from synfer_core.training.groups import PairBatch, pairs_in

_LEAST_SHARE = 0.003
"""Of the variance of appearance, from which a place is coded: what lies beyond is background."""

Batches = Callable[[], Iterable[PairBatch]]


@dataclass(frozen=True)
class FitSettings:
    """Settings of the stage.

    Attributes:
        latents: Sizes of the latents; which places are coded follows from the data.
        appearance: Numbers of appearance in a half face, shared out between its places.
        components: Principal components that describe the person.
        rank: Of the regression.
        ridge: Penalties on standardised products; what suits other people best is taken.
        crossed: How many times as much for products with the person; likewise.
        least: The smallest deviation of a latent, in the latents' unit.
        thinning: Bases of appearance are fitted on one batch of so many.
    """

    latents: LatentConfig = field(default_factory=LatentConfig)
    appearance: int = 520
    components: int = 24
    rank: int = 192
    ridge: tuple[float, ...] = (3e-3, 1e-2, 3e-2, 1e-1)
    crossed: tuple[float, ...] = (1.0, 8.0)
    least: float = 0.05
    thinning: int = 3


def fit(settings: FitSettings, data: Path, out: Path, *, limit: int | None = None) -> Prior:
    """Fit everything and write ``reference-prior.safetensors`` into `out`.

    Args:
        settings: Of the stage.
        data: A folder of groups, see `groups`.
        out: Folder for the file.
        limit: Use at most so many pairs.

    Raises:
        DataError: There are no groups.
    """
    prior = fit_batches(settings, lambda: pairs_in(data, limit=limit))
    save_prior(prior, out / "reference-prior.safetensors")
    return prior


def fit_batches(settings: FitSettings, batches: Batches) -> Prior:
    """The same from batches of pairs, which are read three times."""
    latents = fit_latents(settings, batches)
    coded = _coded(latents, batches)
    return Prior(latents, fit_closed_form(settings, latents, coded))


@torch.no_grad()
def fit_latents(settings: FitSettings, batches: Batches) -> Latents:
    """Bases of flow, appearance and of the reference."""
    whole = Latents(settings.latents)
    flow, code = _moments(whole.flow), _moments(whole.code, centred=True)
    for batch in batches():
        flow.add(batch.flow_at(settings.latents.flow_size))
        code.add(resized(batch.reference, settings.latents.code_size))
    _fill(whole.flow, flow)
    _fill(whole.code, code, white=True)
    appearance = _moments(whole.appearance)
    for batch in islice(batches(), 0, None, settings.thinning):
        moved = whole.flow.encode(batch.flow_at(settings.latents.flow_size))
        appearance.add(batch.target - warp(batch.reference, whole.flow.decode(moved)))
    variances = _fill(whole.appearance, appearance)
    kept = shared_out(variances, settings.appearance, settings.latents.appearance)
    share = variances.sum(1) / variances.sum()
    return _at_places(whole, kept, [int(i) for i in (share >= _LEAST_SHARE).nonzero()])


def _moments(basis: Basis, *, centred: bool = False) -> Moments:
    return Moments(basis.grid, basis.channels, flow=basis.flow, centred=centred)


def _fill(basis: Basis, moments: Moments, *, white: bool = False) -> Tensor:
    """Fill a basis, whose numbers may have unit variance; returns variances (places, numbers)."""
    mean, vectors, values = moments.components(basis.components.shape[-1])
    if white:
        vectors = vectors / values.clamp_min(1e-4 * float(values.max())).sqrt()[:, None]
    basis.mean.copy_(mean[:, None])
    basis.components.copy_(vectors)
    return values


def _at_places(whole: Latents, kept: Tensor, at: list[int]) -> Latents:
    """The latents of some places."""
    latents = Latents(replace(whole.config, places=tuple(at)))
    for name in ("flow", "appearance", "code"):
        basis, source = getattr(latents, name), getattr(whole, name)
        basis.mean.copy_(source.mean[at])
        basis.components.copy_(source.components[at])
    latents.kept[:, whole.config.flow :].copy_(kept[at])
    latents.appearance.components.mul_(kept[at][:, None])
    return latents


@dataclass(frozen=True)
class _Coded:
    """Pairs as latents (N, 2, places, n), codes (N, 2, places, code) and units (N, 36)."""

    latents: Tensor
    code: Tensor
    aus: Tensor
    reference_aus: Tensor


@torch.no_grad()
def _coded(latents: Latents, batches: Batches) -> _Coded:
    """All pairs; sets the latents' unit to the root mean square of flow and of appearance."""
    rows = [
        (latents.encode(*b.pair), latents.look(b.reference), b.aus, b.reference_aus)
        for b in batches()
    ]
    wanted, code, aus, reference_aus = (torch.cat(part) for part in zip(*rows, strict=True))
    flow = latents.config.flow
    parts = (wanted[..., :flow], wanted[..., flow:][..., latents.kept[:, flow:] > 0])
    moved, painted = (part.square().mean().sqrt().clamp_min(1e-6) for part in parts)
    latents.unit[:flow], latents.unit[flow:] = moved, painted
    return _Coded(wanted / latents.unit, code, aus, reference_aus)


@torch.no_grad()
def fit_closed_form(settings: FitSettings, latents: Latents, coded: _Coded) -> ClosedForm:
    """The regression of the latents, and how far they are from it."""
    config, wanted = latents.config, coded.latents
    sizes = (len(config.places), config.numbers, config.code)
    form = ClosedForm(ClosedFormConfig(*sizes, settings.components, settings.rank))
    _fit_reader(form, coded.code, coded.reference_aus)
    _fit_coefficients(settings, latents, form, coded)
    still = coded.reference_aus.sum(1) == 0
    guess = form.guess(form.person(coded.code, still), coded.aus)
    form.deviation.copy_(_deviation(wanted - guess.mean, settings.least))
    form.spread.copy_(_deviation(wanted, settings.least))
    return form


def _deviation(values: Tensor, least: float) -> Tensor:
    return values.square().mean((0, 1)).sqrt().clamp_min(least)


def _fit_reader(form: ClosedForm, code: Tensor, reference_aus: Tensor) -> None:
    """Principal components of the reference's code, and its own action units read linearly."""
    flat, components = flat_halves(code), form.config.components
    middle = flat.mean(0)
    centred = flat - middle
    square = centred.T @ centred / len(flat)
    values, vectors = torch.linalg.eigh(square)
    form.reader[:, :components] = (
        vectors.flip(1)[:, :components] / values.flip(0)[:components].sqrt()
    )
    shown = sides(reference_aus)
    penalty = 0.05 * values.mean() * torch.eye(len(square))
    read = torch.linalg.solve(square + penalty, centred.T @ (shown - shown.mean(0)) / len(flat))
    form.reader[:, components:] = read
    form.offset.copy_(-middle @ form.reader)
    form.offset[components:] += shown.mean(0)
    assert read.shape[1] == UNITS


def _fit_coefficients(
    settings: FitSettings,
    latents: Latents,
    form: ClosedForm,
    coded: _Coded,
) -> None:
    """Ridge regression, then the best coefficients of lower rank.

    Latents count by what they move, so that the rank goes to what can be seen.
    """
    still = coded.reference_aus.sum(1) == 0
    person = form.person(coded.code, still).transpose(0, 1).flatten(0, 1)
    units, targets = sides(coded.aus), coded.latents.transpose(0, 1).flatten(0, 1).flatten(1)
    # Pairs of one person stand together; the last eighth of each half is of other people.
    order = torch.arange(len(units)).view(2, -1)
    held = order.shape[1] // 8
    fitted = _sums(units, person, targets, order[:, :-held].flatten())
    apart = order[:, -held:].flatten()
    tried, truth = features(units[apart], person[apart]), targets[apart]
    whole = fitted.plus(_sums(units, person, targets, apart))
    flow = torch.zeros(len(latents.kept), latents.config.numbers, dtype=torch.bool)
    flow[:, : latents.config.flow] = True
    full = torch.zeros(form.config.features, targets.shape[1])
    for part in (flow.flatten(), ~flow.flatten()):
        penalty = _best_penalty(settings, form.config, fitted.of(part), tried, truth[:, part])
        full[:, part] = whole.of(part).solve(penalty)
    seen = latents.unit.expand(len(form.deviation), -1).flatten()
    predicted = (full * seen).T @ whole.square @ (full * seen)
    # In float64: numbers that a place does not have make many eigenvalues 0.
    top = torch.linalg.eigh(predicted.double()).eigenvectors.flip(1)[:, : settings.rank].float()
    form.first.copy_(full * seen @ top)
    form.second.copy_(top.T / seen)


@dataclass(frozen=True)
class _Sums:
    """Normal equations: products with products (f, f), and with targets (f, n)."""

    square: Tensor
    product: Tensor

    def plus(self, other: _Sums) -> _Sums:
        """Of both sets of rows."""
        return _Sums(self.square + other.square, self.product + other.product)

    def of(self, part: Tensor) -> _Sums:
        """For some of the targets."""
        return _Sums(self.square, self.product[:, part])

    def solve(self, penalty: Tensor) -> Tensor:
        """Coefficients (f, n) under a penalty (f,) on each standardised product."""
        scale = self.square.diagonal().clamp_min(1e-6).sqrt()
        even = self.square / scale[:, None] / scale + torch.diag(penalty)
        factor = torch.linalg.cholesky(even)
        return torch.cholesky_solve(self.product / scale[:, None], factor) / scale[:, None]


def _sums(units: Tensor, person: Tensor, targets: Tensor, rows: Tensor) -> _Sums:
    width = features(units[:1], person[:1]).shape[1]
    square, product = torch.zeros(width, width), torch.zeros(width, targets.shape[1])
    for some in rows.split(2048):
        products = features(units[some], person[some])
        square.addmm_(products.T, products)
        product.addmm_(products.T, targets[some])
    return _Sums(square, product)


def _best_penalty(
    settings: FitSettings, config: ClosedFormConfig, sums: _Sums, tried: Tensor, truth: Tensor
) -> Tensor:
    """The penalty (f,) that explains most of other people's latents."""
    found: list[tuple[float, float, float]] = []
    for weight in settings.ridge:
        for crossed in settings.crossed:
            guess = tried @ sums.solve(weight * personal(config, crossed))
            error = float((guess - truth).square().sum() / truth.square().sum())
            found.append((error, weight, crossed))
    error, weight, crossed = min(found)
    print(f"explains {1 - error:.4f} of others, penalty {weight:g}, of persons {crossed:g} times")
    return weight * personal(config, crossed)


def personal(config: ClosedFormConfig, crossed: float) -> Tensor:
    """1 for products of units alone, `crossed` for products with what describes the person."""
    alone = 1 + UNITS + UNITS * (UNITS + 1) // 2
    weights = torch.full((config.features,), crossed)
    weights[:alone] = 1.0
    return weights


@torch.no_grad()
def steepness(latents: Latents, batches: Batches) -> Tensor:
    """How much a pixel of flow changes a picture at each place of a half face (places,): the root
    mean square of the references' gradient.
    """
    total, count = torch.zeros(len(latents.config.places)), 0
    for batch in batches():
        picture = batch.reference
        across = F.pad(picture[..., 2:] - picture[..., :-2], (1, 1, 0, 0)) / 2
        down = F.pad(picture[..., 2:, :] - picture[..., :-2, :], (0, 0, 1, 1)) / 2
        energy = (across.square() + down.square()).sum(1, keepdim=True) / 2
        windows = cut(latents.config.grid, energy)[list(latents.config.places)]
        total += windows.mean((1, 2)) * len(picture)
        count += len(picture)
    return (total / count).sqrt() * (UNIT / latents.config.flow_size)
