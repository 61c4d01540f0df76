"""Folded parts of the form: guidance towards an expression, and editing a face. Markup only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from app.ui.references import Thumb
from synfer_core.models.backbone import Capabilities
from synfer_core.request import MAX_TEXT

GUIDES = {"image": "A classifier of pictures"}
ACTS_ON = {"text": "The words", "aus": "The sliders' values", "both": "Both"}


def details_html(values: Mapping[str, Any]) -> str:
    """The detailed prompt: out of sight until it is written."""
    text = escape(str(values["enriched_text"]))
    return f"""<div class="field enriched" data-field="enriched_text" {"" if text else "hidden"}>
  <label for="enriched_text">Detailed prompt</label>
  <textarea id="enriched_text" rows="3" maxlength="{MAX_TEXT}">{text}</textarea>
  <p class="hint">Steers in place of the prompt, as it stands here. Edit it as you like.</p>
  <p class="hint stale" hidden></p><p class="hint told" role="status"></p>
  <div class="buttons"><button type="button" class="quiet" data-act="enrich">Write it again</button>
    <button type="button" class="quiet" data-act="plain-words">Use the prompt alone</button></div>
  <p class="why" hidden></p><p class="error" data-error-for="enriched_text" hidden></p></div>"""


def guide_html(strength: str, backbones: Mapping[str, Capabilities]) -> str:
    """Semantic guidance.

    Args:
        strength: The slider's markup.
        backbones: What there is; a classifier that none of them has is not offered.
    """
    guides = {name for backbone in backbones.values() for name in backbone.guides}
    offered = {name: title for name, title in GUIDES.items() if name in guides}
    return f"""<details class="fine guide"><summary>Reach an expression<span class="state"></span>
  </summary>
  <p class="hint lead">While the face forms, a classifier looks at what it will become and moves the
    words, step by step, until it reads as the expression under <b>Meant as</b>
    (now: <b class="target"></b>). Useful where words and sliders leave it vague.</p>
  {strength}
  <div class="pair">{_choice_html("semantic.classifier", "Read by", offered, len(offered) < 2)}
    {_choice_html("semantic.acts_on", "What moves", ACTS_ON, not offered)}</div>
  <p class="error" data-error-for="semantic" hidden></p>
  <label class="check"><input type="checkbox" id="compare"> Also make it without, from the same
    seed, and show both</label>
</details>"""


def portrait_html(strength: str, backbones: Mapping[str, Capabilities]) -> str:
    """The person as a picture; out of sight where no backbone can keep one.

    Args:
        strength: The slider's markup.
        backbones: What there is.
    """
    hidden = "" if any(backbone.identity_image for backbone in backbones.values()) else "hidden"
    return f"""<div class="field portrait" data-field="identity_image" {hidden}>
  <div class="head"><span>Person from a picture</span>
    <button type="button" class="quiet" data-act="portrait">Choose a picture…</button>
    <input type="file" accept="image/*" hidden aria-label="Picture of the person"></div>
  <p class="hint">The same person in every expression. The picture goes into the recipe, and so into
    every PNG made with it.</p>
  <p class="why" hidden></p>
  <div class="chosen" hidden>
    <div class="whose"><img alt="The person"><div><b></b><p class="hint told" role="status"></p>
      <button type="button" class="quiet" data-act="portrait-off">Leave it out</button></div></div>
    {strength}</div>
  <p class="error" data-error-for="identity_image identity_scale" hidden></p></div>"""


def edit_html(strengths: str, samples: Sequence[Thumb]) -> str:
    """Editing a face.

    Args:
        strengths: The sliders' markup.
        samples: Built-in faces to start from.
    """
    return f"""<details class="fine edit"><summary>Edit a face<span class="state"></span></summary>
  <div class="field" data-field="reference">
    <p class="hint lead">Start from a face in place of noise: the sliders and words give it another
      expression; person, hair, pose and light stay.</p>
    <div class="samples" role="group" aria-label="Built-in faces">{_samples_html(samples)}</div>
    <div class="buttons"><button type="button" class="quiet" data-act="edit-file">Upload a face…
      </button><input type="file" accept="image/*" hidden aria-label="Face to edit">
      <span class="hint">The built-in model knows rendered faces only; a photo changes more.</span>
    </div>
    <p class="hint busy" role="status" hidden></p><p class="why" hidden></p>
    <p class="error" data-error-for="reference inversion_depth keep" hidden></p>
  </div>
  <div class="editing" hidden>
    <div class="source"><img alt=""><div><b></b><p class="hint about"></p><p class="hint told"></p>
      <button type="button" class="quiet" data-act="edit-off">Back to plain generation</button>
    </div></div>
    <fieldset class="field"><legend>Sliders</legend>
      <label class="check"><input type="radio" name="edit-sliders" value="absolute" checked> ask for
        what they show, and all else at rest</label>
      <label class="check"><input type="radio" name="edit-sliders" value="relative"> start from what
        the face shows, and change that</label></fieldset>
    <div class="strengths">{strengths}</div>
  </div>
</details>"""


def _samples_html(samples: Sequence[Thumb]) -> str:
    return "".join(
        f'<button type="button" class="sample" data-sample="{sample.name}" '
        f'aria-pressed="false" title="{escape(sample.alt)}"><img src="{sample.url}" '
        f'alt="{escape(sample.name.capitalize())}"></button>'
        for sample in samples
    )


def _choice_html(field: str, title: str, options: Mapping[str, str], hidden: bool) -> str:
    name = field.replace(".", "-")
    items = "".join(f'<option value="{key}">{text}</option>' for key, text in options.items())
    return f"""<div class="field" data-field="{field}" {"hidden" if hidden else ""}>
  <label for="{name}">{title}</label><select id="{name}" data-choice="{field}">{items}</select>
  <p class="error" data-error-for="{field}" hidden></p></div>"""
