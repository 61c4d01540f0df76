"""Semantic guidance: the equation, what stays still, and the loop on a tiny untrained model."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from synfer_core import denoising, semantic
from synfer_core.errors import ModelError, UnsupportedError
from synfer_core.facs import EXPRESSIONS
from synfer_core.guidance import Denoise
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.denoiser import ddim
from synfer_core.models.guides import ImageReader
from synfer_core.reference import sampling
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.denoiser import SCHEDULE, ReferenceContext
from synfer_core.reference.guidance import classifier_free
from synfer_core.report import GuidancePoint
from synfer_core.request import Recipe
from synfer_core.semantic import Settings
from synfer_core.synthesizer import Synthesizer, load_builtin

STEPS = 5
TARGET = EXPRESSIONS.index("fear")
SMILE = {"text": "a woman", "expression": "fear", "identity_seed": 3, "steps": STEPS}
UNITS = {"aus": {"AU12": 2.0}}
OPTIONS = {"first": 0.0, "last": 1.0, "every": 1}


@dataclass(frozen=True)
class FakeReader:
    """Answers with what it is given; stands for a classifier of the latents' sums."""

    answer: Callable[[Tensor], Tensor]
    name: str = "the reader"
    sha256: str = "a" * 64
    expressions: frozenset[Any] = frozenset(EXPRESSIONS)

    def __call__(self, clean: Tensor) -> Tensor:
        return self.answer(clean)


def linear(clean: Tensor) -> Tensor:
    weights = torch.randn(clean[0].numel(), 8, generator=torch.Generator().manual_seed(1))
    return clean.flatten(1) @ weights / 10


def on_pictures(answer: Callable[[Tensor], Tensor], **changes: Any) -> ImageReader:
    """The same behind a decoder, on the middle of pictures at 8 x 8."""

    def classify(images: Tensor) -> Tensor:
        return answer(functional.adaptive_avg_pool2d(images[..., 32:96, 32:96], 8))

    values = {"sha256": "a" * 64, "name": "the reader", **changes}
    return ImageReader(lambda latents: latents, classify, **values)


def settings(**changes: Any) -> Settings:
    base = Settings("fear", 1.0, "text", first=0.0, last=1.0, every=1, fade=False)
    return replace(base, **changes)


@pytest.fixture(scope="module")
def folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a guiding classifier, untrained."""
    place = tmp_path_factory.mktemp("guided") / "models"
    shutil.copytree(tiny_model_folder, place)
    torch.manual_seed(1)
    images = Classifier(ClassifierConfig("cnn", 32, widths=(8, 8), depths=(1, 1), aus=False))
    assert images.expressions is not None
    torch.nn.init.normal_(images.expressions.weight, std=0.2)
    classifier.save(images, place / "classifier.safetensors", "classifier")
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> ReferenceBackbone:
    found = load_builtin(folder)
    assert isinstance(found, ReferenceBackbone)
    return found


def noise(model: ReferenceBackbone) -> Tensor:
    return sampling.noise(1, model.model.prior.latents.shape, 0, 1.0)


def full(model: ReferenceBackbone, recipe: Recipe) -> ReferenceContext:
    """What the branch with words and units is conditioned by."""
    return model.branches(recipe, model.canvas(recipe).small).full


def last_latents(model: ReferenceBackbone, recipe: Recipe, chosen: Settings) -> Tensor:
    """Final latents under a fake reader and guidance strengths of 1."""
    denoiser, branches = model.model.denoiser, model.branches(recipe, model.canvas(recipe).small)

    def guide(full: ReferenceContext) -> Denoise:
        return classifier_free(denoiser, replace(branches, full=full), text=1.0, au=1.0)

    reader, told = FakeReader(linear), list[GuidancePoint]()
    denoise = semantic.semantic_guidance(
        guide, denoiser, branches.full, reader, chosen, told.append, SCHEDULE
    )
    *_, last = denoising.sample(denoise, noise(model), "ddim", STEPS, schedule=SCHEDULE)
    return last.latents


def by_diffusers(model: ReferenceBackbone, recipe: Recipe) -> Tensor:
    """Final latents of diffusers' DDIM on the bare denoiser."""
    solver = ddim(SCHEDULE)
    solver.set_timesteps(STEPS)
    latents, context = noise(model), full(model, recipe)
    with torch.no_grad():
        for timestep in solver.timesteps:
            velocity = model.model.denoiser(latents, timestep[None], context)
            latents = solver.step(velocity, timestep, latents).prev_sample
    return latents


@pytest.mark.parametrize("strength", [0.0, 1e-9])
@pytest.mark.parametrize("acts_on", ["text", "both"])
def test_without_strength_the_loop_is_the_one_of_diffusers(
    model: ReferenceBackbone, strength: float, acts_on: str
) -> None:
    recipe = Recipe.parse(SMILE | UNITS)
    expected = by_diffusers(model, recipe)
    ours = last_latents(model, recipe, settings(strength=strength, acts_on=acts_on))
    assert torch.allclose(ours, expected, atol=1e-5)
    guided = last_latents(model, recipe, settings(strength=10.0, acts_on=acts_on))
    assert not torch.allclose(guided, expected, atol=1e-3)


@pytest.mark.parametrize("fade", [True, False])
def test_a_step_is_the_equation_of_the_module(model: ReferenceBackbone, fade: bool) -> None:
    context, denoiser = full(model, Recipe.parse(SMILE | UNITS)), model.model.denoiser
    assert context.words is not None
    timestep, latents = torch.tensor([700]), noise(model)
    alpha = ddim(SCHEDULE).alphas_cumprod[700]
    words = context.words.states.clone().requires_grad_()
    velocity = denoiser(latents, timestep, context.with_part("text", words))
    clean = alpha.sqrt() * latents - (1 - alpha).sqrt() * velocity
    loss = -linear(clean).log_softmax(-1)[0, TARGET]
    (gradient,) = torch.autograd.grad(loss, words)
    live = context.words.states[context.words.mask]
    mean_length = live.square().sum(-1).mean().sqrt()
    left = 1 - float((-loss.detach()).exp()) if fade else 1.0
    expected = words - 0.1 * 25 * left * mean_length * gradient / gradient.norm()

    predict = semantic._Prediction(denoiser, context, latents, timestep, alpha)
    still = semantic.still(context, "text")
    reader = FakeReader(linear)
    moves, told = semantic.step(predict, still, reader, settings(strength=25.0, fade=fade))
    after = semantic.moved(context, moves)
    assert after.words is not None
    torch.testing.assert_close(after.words.states, expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(told, loss.detach()[None])
    assert after.units is context.units


def test_only_the_parts_acted_on_move_and_share_one_length(model: ReferenceBackbone) -> None:
    context = full(model, Recipe.parse(SMILE | UNITS))
    alpha = ddim(SCHEDULE).alphas_cumprod[700]
    predict = semantic._Prediction(
        model.model.denoiser, context, noise(model), torch.tensor([700]), alpha
    )
    found = {}
    for acts_on in ("text", "aus", "both"):
        still = semantic.still(context, acts_on)
        chosen = settings(acts_on=acts_on, strength=20.0)
        moves, _ = semantic.step(predict, still, FakeReader(linear), chosen)
        assert float(sum(m.square().sum() for m in moves.values())) == pytest.approx(4.0, rel=1e-4)
        after = semantic.moved(context, moves)
        assert after.words is not None
        assert after.units is not None
        found[acts_on] = (after.words is not context.words, after.units is not context.units)
    assert found == {"text": (True, False), "aus": (False, True), "both": (True, True)}


def test_each_sample_is_guided_for_itself() -> None:
    def predict(moves: semantic.Moves) -> Tensor:
        return moves["text"].sum((1, 2))[:, None] * torch.tensor([[1.0, 2.0, 0.5, 1.0]]) ** 2

    weights = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    reader = FakeReader(lambda clean: clean @ weights)
    start = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(2))
    chosen = settings(strength=10.0)
    together, losses = semantic.step(predict, {"text": start}, reader, chosen)
    for row in range(2):
        alone, loss = semantic.step(predict, {"text": start[row : row + 1]}, reader, chosen)
        torch.testing.assert_close(together["text"][row], alone["text"][0])
        torch.testing.assert_close(losses[row], loss[0])
    assert float((together["text"] - start).flatten(1).norm(dim=1)[1]) == pytest.approx(1.0)


def test_a_zero_gradient_changes_nothing() -> None:
    start = {"text": torch.randn(1, 3, 4), "aus": torch.randn(1, 2, 4)}
    deaf = FakeReader(lambda clean: clean.flatten(1)[:, :8] * 0)
    moves, loss = semantic.step(lambda m: m["text"].repeat(1, 1, 2), start, deaf, settings())
    assert all(torch.equal(moves[part], start[part]) for part in start)
    assert float(loss) == pytest.approx(float(torch.tensor(8.0).log()))


def test_gradients_too_small_to_be_squared_still_have_a_direction() -> None:
    small = torch.tensor([[3e-30, 0.0, 4e-30], [0.0, 0.0, 0.0]])
    (way,) = semantic.directions([small.half() * 0 + small], "x")
    torch.testing.assert_close(way, torch.tensor([[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]]))
    (halved,) = semantic.directions([torch.tensor([[6e-5, 8e-5]]).half()], "x")
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved, torch.tensor([[0.6, 0.8]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda clean: clean.flatten(1)[:, :7], r"the reader: answers with the shape \(1, 7\)"),
        (lambda clean: clean.flatten(1)[:, :8] * torch.nan, "the reader: answers with NaN"),
        (lambda clean: clean.flatten(1)[:, :8] + torch.inf, "the reader: answers with NaN"),
        (
            lambda clean: (clean.flatten(1)[:, :8] * 0).abs().sqrt(),
            "the reader: has a gradient that is not finite",
        ),
    ],
)
def test_readers_that_cannot_be_followed_are_refused_by_name(
    model: ReferenceBackbone, answer: Callable[[Tensor], Tensor], complaint: str
) -> None:
    guided = replace(model, readers={"image": on_pictures(answer)})
    recipe = Recipe.parse(SMILE | {"semantic": OPTIONS, "guidance": {"semantic": 1.0}})
    with pytest.raises(ModelError, match=complaint):
        list(guided.stream(recipe))


def test_steps_fade_as_the_expression_is_read() -> None:
    start = {"text": torch.zeros(2, 1, 8)}
    sure = torch.tensor([[0.0] * 8, [0.0] * 8])
    sure[1, TARGET] = 20.0
    reader = FakeReader(lambda clean: clean.flatten(1) + sure)
    moves, loss = semantic.step(lambda m: m["text"], start, reader, settings(fade=True))
    full, _ = semantic.step(lambda m: m["text"], start, reader, settings())
    lengths = moves["text"].flatten(1).norm(dim=1)
    assert float(lengths[0]) == pytest.approx(0.1 * 7 / 8)
    assert float(lengths[1]) < 1e-6
    assert float(loss[1]) < 1e-6
    torch.testing.assert_close(full["text"].flatten(1).norm(dim=1), torch.full((2,), 0.1))


@pytest.mark.parametrize(
    ("chosen", "calls"),
    [
        (settings(), list(range(20))),
        (settings(first=0.1, last=0.7, every=2), [2, 4, 6, 8, 10, 12, 14]),
        (settings(first=0.5, last=0.6), [10, 11, 12]),
    ],
)
def test_steps_are_taken_where_asked(chosen: Settings, calls: list[int]) -> None:
    solver = ddim()
    solver.set_timesteps(20)
    times = [int(t) for t in solver.timesteps]
    assert [i for i, t in enumerate(times) if chosen.acts(t, i)] == calls


def guided(model: ReferenceBackbone, **changes: Any) -> Any:
    """The `Generation` of a recipe with semantic guidance at every step."""
    data = SMILE | {"semantic": OPTIONS, "guidance": {"semantic": 10.0}} | changes
    *_, made = model.stream(model.check(Recipe.parse(data)))
    return made


@pytest.mark.parametrize(
    ("units", "acts_on"), [({}, "both"), (UNITS, "text"), (UNITS, "aus"), (UNITS, "both")]
)
def test_every_combination_changes_the_face_and_says_what_was_read(
    model: ReferenceBackbone, units: dict[str, Any], acts_on: str
) -> None:
    options = OPTIONS | {"acts_on": acts_on}
    made = guided(model, semantic=options, **units)
    plain = guided(model, guidance={}, **units)
    assert (made.image != plain.image).any()
    assert plain.guidance_curve == ()
    assert [point.step for point in made.guidance_curve] == [1, 2, 3, 4, 5]
    assert [point.timestep for point in made.guidance_curve] == [999, 799, 599, 399, 199]
    for point in made.guidance_curve:
        assert point.probability == pytest.approx(float(torch.tensor(-point.loss).exp()), rel=1e-3)
    again = guided(model, semantic=options, **units)
    assert (again.image == made.image).all()
    assert set(made.attention.mass) == set(plain.attention.mass)


def test_an_edit_of_a_reference_can_be_guided(model: ReferenceBackbone) -> None:
    buffer = io.BytesIO()
    Image.fromarray(guided(model, guidance={}).image).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    edit = {"reference": f"data:image/png;base64,{data}", "inversion_depth": 0.6, **UNITS}
    made, plain = guided(model, **edit), guided(model, guidance={}, **edit)
    assert (made.image != plain.image).any()
    assert [point.timestep for point in made.guidance_curve] == [599, 399, 199]
    assert [point.step for point in made.guidance_curve] == [1, 2, 3]


def test_guidance_raises_what_its_reader_sees(model: ReferenceBackbone) -> None:
    seen = replace(model, readers={"image": on_pictures(lambda images: 10 * linear(images))})
    strong = guided(seen, semantic=OPTIONS, guidance={"semantic": 10.0})
    plain = guided(seen, guidance={})
    reader = seen.reader(Recipe.parse(SMILE))
    logits = [reader(made.latents).log_softmax(-1)[0, TARGET] for made in (strong, plain)]
    assert float(logits[0]) > float(logits[1])


def test_recipes_without_it_keep_hash_and_pixels(
    model: ReferenceBackbone, tiny_model_folder: Path
) -> None:
    bare = load_builtin(tiny_model_folder)
    assert not bare.capabilities.semantic
    assert model.capabilities.semantic
    recipe = Recipe.parse(SMILE)
    assert bare.check(recipe) == model.check(recipe)
    pixels = [list(m.stream(recipe))[-1] for m in (bare, model)]
    assert (pixels[0].image == pixels[1].image).all()  # type: ignore[union-attr]


def test_the_hash_of_a_guided_recipe_covers_its_classifier(model: ReferenceBackbone) -> None:
    recipes = [
        Recipe.parse(SMILE | {"guidance": {"semantic": strength}}) for strength in (0.0, 1.0)
    ]
    hashes = [model.check(recipe).weights_sha256 for recipe in recipes]
    assert hashes[0] == model.model.sha256
    assert len(set(hashes)) == 2
    completed = model.check(recipes[1])
    assert model.check(completed) == completed


def test_missing_classifiers_and_unknown_expressions_are_named(
    model: ReferenceBackbone, tiny_model_folder: Path
) -> None:
    recipe = Recipe.parse(SMILE | {"semantic": OPTIONS, "guidance": {"semantic": 1.0}})
    with pytest.raises(UnsupportedError, match=r"classifier\.safetensors") as caught:
        load_builtin(tiny_model_folder).check(recipe)
    assert caught.value.field == "semantic.classifier"
    joyful = on_pictures(linear, expressions=frozenset({"happiness"}))
    with pytest.raises(UnsupportedError, match="the reader does not know fear") as caught:
        replace(model, readers={"image": joyful}).check(recipe)
    assert caught.value.field == "expression"


def test_the_report_holds_the_curve(folder: Path) -> None:
    synthesizer = Synthesizer.load(folder)
    recipe = Recipe.parse(SMILE | {"semantic": OPTIONS, "guidance": {"semantic": 1.0}})
    result = synthesizer.generate(recipe)
    assert len(result.guidance_curve) == STEPS
    assert all(isinstance(point, GuidancePoint) for point in result.guidance_curve)
    assert result.to_dict()["guidance_curve"][0].keys() == {
        "step",
        "timestep",
        "loss",
        "probability",
    }
