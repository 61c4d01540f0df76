from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from synfer_core.evaluation.confusion import by_name, confusion, draw_confusion

TRUE, READ = np.array([1, 1, 1, 6]), np.array([1, 1, 3, 0])


def test_counts_stand_by_what_is_true_and_what_was_read() -> None:
    table = confusion(TRUE, READ)
    assert table.sum() == 4
    assert (table[1, 1], table[1, 3], table[6, 0]) == (2, 1, 1)
    named = by_name(table)
    assert list(named) == ["happiness", "anger"]
    assert named["happiness"]["surprise"] == 1
    assert len(named["anger"]) == 8


def test_every_count_but_zero_is_written_into_the_picture() -> None:
    axis = Figure().subplots()
    draw_confusion(axis, confusion(TRUE, READ))
    assert sorted(text.get_text() for text in axis.texts) == ["1", "1", "2"]
    assert [label.get_text() for label in axis.get_yticklabels()][6] == "anger"
