from __future__ import annotations

import re

import pytest

from app.figures import Figures
from app.ui import results
from app.ui.trust import trust_html, word_of
from synfer_core.facs import ACTION_UNITS
from tests.app.test_figures import OURS, THEIRS, figures
from tests.app.test_ui import check_markup, recipe, shown

FIGURES = Figures.model_validate(figures())


@pytest.mark.parametrize(
    ("spearman", "word"),
    [(1, "good"), (0.75, "good"), (0.749, "fair"), (0.4, "fair"), (0.399, "poor"), (-0.2, "poor")],
)
def test_words_follow_the_stated_bounds(spearman: float, word: str) -> None:
    assert word_of(spearman) == word


def test_the_units_in_use_are_shown_each_once() -> None:
    asked = {"AUL12": 2.0, "AUR12": 3.0, "AU4": 1.0, "AU25": 2.0, "AU1": 0.0}
    markup = trust_html(FIGURES, OURS, asked)
    check_markup(markup)
    assert re.findall(r"<b>(\d+)</b>", markup) == ["12", "4", "25"]
    twelve, four, other = re.findall(r"<tr>(.*?)</tr>", markup)[1:]
    assert 'class="tag good">good' in twelve
    assert "width:81%" in twelve
    assert "0.74 to 0.88" in twelve
    assert "<td>0.93</td>" in twelve
    assert 'class="tag poor">poor' in four
    assert four.count("&ndash;") == 1, "the reader's own figure is missing"
    assert other.count("&ndash;") == 2, "nothing was measured for this unit"
    assert "300 faces" in markup
    assert "good from 0.75, fair from 0.40" in markup


def test_the_label_has_its_figures() -> None:
    markup = trust_html(FIGURES, OURS, {})
    assert "right on 91 % (95 %: 74 to 88) of test renders" in markup
    assert "off by 3.4 points" in markup
    assert "No unit is in play" in markup


def test_a_part_that_is_missing_is_said() -> None:
    only_label = Figures(feranno=FIGURES.feranno)
    assert "Control has not been measured" in trust_html(only_label, OURS, {"AU12": 1.0})
    only_control = Figures(control=FIGURES.control)
    assert "The label has not been measured" in trust_html(only_control, OURS, {"AU12": 1.0})


def test_figures_of_other_weights_are_not_shown() -> None:
    for found in (FIGURES.of(THEIRS), FIGURES):
        markup = trust_html(found, THEIRS, {"AU12": 4.0})
        assert "have not been measured" in markup
        assert "<table" not in markup


def test_the_exact_renderer_needs_none() -> None:
    markup = trust_html(FIGURES, None, {"AU12": 4.0})
    assert "what was asked for" in markup
    assert "<table" not in markup


def test_the_report_has_the_panel_of_the_weights_that_made_the_face() -> None:
    made = shown(recipe=recipe(weights_sha256=OURS))
    markup = results.report_html(made, FIGURES)
    panel = markup[markup.index('class="trust"') :]
    assert f"<b>12</b> {ACTION_UNITS[12].name}" in panel[: panel.index("</section>")]
    other = results.report_html(shown(recipe=recipe(weights_sha256=THEIRS)), FIGURES)
    assert "have not been measured" in other
