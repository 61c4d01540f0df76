"""Classifier-free guidance with a strength each for words and AUs."""

from __future__ import annotations

import pytest
import torch

from synfer_core import guidance
from synfer_core.conditioning import Conditions
from synfer_core.models.attention import AUInput
from synfer_core.models.denoiser import Context


class _Linear(torch.nn.Module):
    """Stands where a denoiser stands; answers with a number a branch is known by."""

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, context: Context, recorder: object
    ) -> torch.Tensor:
        value = context.tokens[:, 0, 0]
        if context.au is not None:
            value = value + 10 * context.au.scale
        return value[:, None, None, None].expand_as(latents)


def _conditions(has_aus: bool) -> Conditions:
    def context(value: float, scale: float) -> Context:
        au = AUInput(torch.zeros(1, 36, 4), torch.tensor([scale]))
        return Context(torch.full((1, 2, 4), value), torch.ones(1, 2, dtype=torch.bool), au)

    return Conditions(context(3.0, 1.0 if has_aus else 0.0), context(1.0, 0.0), has_aus, ())


def _value(has_aus: bool, text: float, au: float) -> float:
    denoise = guidance.classifier_free(
        _Linear(),  # type: ignore[arg-type]
        _conditions(has_aus),
        text=text,
        au=au,
    )
    output = denoise(torch.zeros(1, 2, 4, 4), torch.tensor([5]))
    assert output.shape == (1, 2, 4, 4)
    return float(output[0, 0, 0, 0])


@pytest.mark.parametrize(("text", "au"), [(1.0, 1.0), (2.0, 1.0), (1.0, 3.0), (2.5, 1.5), (2, 2)])
def test_strengths_compose(text: float, au: float) -> None:
    empty, words, full = 1.0, 3.0, 13.0
    expected = empty + text * (words - empty) + au * (full - words)
    assert _value(True, text, au) == pytest.approx(expected)


def test_without_aus_only_words_are_guided() -> None:
    assert _value(False, 2.0, 5.0) == pytest.approx(1.0 + 2.0 * 2.0)


@pytest.mark.parametrize(
    ("has_aus", "text", "au", "rows"),
    [(True, 1, 1, 1), (True, 2, 2, 2), (True, 1, 2, 2), (True, 3, 2, 3), (False, 1, 2, 1)],
)
def test_branches_of_weight_zero_are_not_computed(
    has_aus: bool, text: float, au: float, rows: int
) -> None:
    parts = guidance.branches(_conditions(has_aus), text, au)
    assert len(parts) == rows
    assert sum(weight for weight, _ in parts) == pytest.approx(1)
