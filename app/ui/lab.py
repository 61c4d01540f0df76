"""The part of the data tab that shows finished runs of the lab: a list, curves, tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

import gradio as gr

from app.ui.lab_runs import curves_of, figures_of, run_of, runs_in
from app.ui.lab_view import run_html
from app.ui.values import Value
from synfer_core.errors import MissingError, SynferError


def lab_html(root: Path | None) -> str:
    """The part's markup; its script fills it.

    Args:
        root: The folder with the runs; None where the server has none.
    """
    where = (
        "This server knows no folder of runs: SYNFER_STUDIO_RUNS names one."
        if root is None
        else f"None is finished in {escape(root.name)} yet."
    )
    return f"""
<section class="report lab" aria-label="Finished lab runs"><h2>Finished lab runs</h2>
  <div class="field" hidden><label for="lab-run">Run</label><select id="lab-run"></select></div>
  <p class="error" data-error-for="runs scaling figures" hidden></p>
  <div class="run"></div>
  <p class="hint empty">What is a data set worth? The lab trains recognisers on parts of it and
    draws their accuracy against its size. {where} <code>synfer lab scaling --help</code> says how
    to make one.</p>
</section>"""


class Lab:
    """What the page asks of the runs in a folder.

    Args:
        root: The folder; None where there is none.
    """

    def __init__(self, root: Path | None):
        self.root = root

    def list(self) -> Value:
        """The finished runs, the newest first: name, and what to call them."""
        runs = runs_in(self.root) if self.root else []
        return {
            "runs": [
                {"name": run.name, "title": f"{run.about.title} ({run.about.kind}, {run.date})"}
                for run in runs
            ]
        }

    def read(self, sent: object) -> Value:
        """The markup of a run whose name a page sends; or an error."""
        name = sent.get("name") if isinstance(sent, Mapping) else None
        try:
            if self.root is None:
                raise MissingError("there is no folder of runs", field="runs")
            run, place = run_of(self.root, name)
            return {"html": run_html(run, curves_of(place), figures_of(place))}
        except SynferError as error:
            return {"error": {**error.to_dict(), "field": "runs"}}


def part_of(lab: Lab, part: Callable[..., gr.HTML]) -> gr.HTML:
    """The part of the page.

    Args:
        lab: What it asks.
        part: Makes a part of the page from script, markup and value.
    """

    def list_runs(_: object) -> Value:  # Gradio marks them, which no method allows
        return lab.list()

    def read_run(sent: object) -> Value:
        return lab.read(sent)

    return part("lab", lab_html(lab.root), None, "data", server_functions=[list_runs, read_run])
